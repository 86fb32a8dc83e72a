{{/* Full name of everything: the release's name when it already says what this is. */}}
{{- define "pryv-operator.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Cluster-wide objects carry the namespace in their name: two releases of one name do not meet. */}}
{{- define "pryv-operator.clusterName" -}}
{{- if eq .Release.Namespace (include "pryv-operator.fullname" .) -}}
{{- include "pryv-operator.fullname" . -}}
{{- else -}}
{{- printf "%s-%s" .Release.Namespace (include "pryv-operator.fullname" .) -}}
{{- end -}}
{{- end -}}

{{- define "pryv-operator.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "pryv-operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "pryv-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "pryv-operator.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "pryv-operator.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* What the operator uses, and nothing else; the same whether it is granted in a namespace or everywhere. */}}
{{- define "pryv-operator.rules" -}}
- apiGroups: [pryv.io]
  resources: [pryvplatforms]
  verbs: [get, list, watch]
- apiGroups: [pryv.io]
  resources: [pryvplatforms/status]
  verbs: [patch]
- apiGroups: [""]
  # Claims are never deleted; but where OwnerReferencesPermissionEnforcement is on (OpenShift), only who may delete an object may change its
  # owner references, which say whether the cluster deletes it with the platform (deletionPolicy).
  resources: [configmaps, secrets, services, persistentvolumeclaims]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  # A pod pulls the new image of what has to stop before it is started; it is deleted afterwards.
  resources: [pods]
  verbs: [list, watch, create, delete]
# Why a pod could not be made is said in events only.
- apiGroups: [""]
  resources: [events]
  verbs: [list]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [get, list, watch, create, patch, delete]
# Old configuration that one of these refers to is kept; revisions are a platform's history too.
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [list]
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [get, list, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [cert-manager.io]
  resources: [certificates]
  verbs: [get, list, create, patch, delete]
{{- end -}}
