{{- define "pryv-operator.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* Full name of everything: the release's name when it already says what this is. */}}
{{- define "pryv-operator.fullname" -}}
{{- $name := include "pryv-operator.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
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
app.kubernetes.io/name: {{ include "pryv-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of every object; commonLabels cannot replace the chart's own. */}}
{{- define "pryv-operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "pryv-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- $own := list "helm.sh/chart" "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" }}
{{- range $key, $value := .Values.commonLabels }}
{{- if not (has $key $own) }}
{{ $key | quote }}: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The field annotations of an object's metadata, or nothing: of (list . MAP …) the last map wins, and commonAnnotations never do. */}}
{{- define "pryv-operator.annotations" -}}
{{- $all := deepCopy (first .).Values.commonAnnotations -}}
{{- range rest . -}}
{{- $all = mergeOverwrite $all (deepCopy (. | default dict)) -}}
{{- end -}}
{{- if $all }}
  annotations:
    {{- toYaml $all | nindent 4 }}
{{- end -}}
{{- end -}}

{{- define "pryv-operator.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "pryv-operator.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* REGISTRY/REPOSITORY:TAG or …@DIGEST. As container engines do, the first part of a repository is taken for a registry if it looks like a host. */}}
{{- define "pryv-operator.image" -}}
{{- $image := .Values.image -}}
{{- $registry := .Values.global.imageRegistry | default $image.registry -}}
{{- $first := splitList "/" $image.repository | first -}}
{{- $withHost := and (contains "/" $image.repository) (or (contains "." $first) (contains ":" $first) (eq $first "localhost")) -}}
{{- $name := ternary $image.repository (printf "%s/%s" $registry $image.repository) (or $withHost (empty $registry)) -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name ($image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "pryv-operator.imagePullSecrets" -}}
{{- with concat .Values.global.imagePullSecrets .Values.imagePullSecrets | uniq -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* A security context, of (list . CONTEXT): OpenShift gives each namespace a range of users, and refuses pods with others. */}}
{{- define "pryv-operator.securityContext" -}}
{{- $root := first . -}}
{{- $openshift := toString $root.Values.openshift -}}
{{- if or (eq $openshift "true") (and (eq $openshift "auto") ($root.Capabilities.APIVersions.Has "security.openshift.io/v1")) -}}
{{- omit (last .) "runAsUser" "runAsGroup" "fsGroup" | toYaml -}}
{{- else -}}
{{- last . | toYaml -}}
{{- end -}}
{{- end -}}

{{/* Fails for values that contradict each other, which a schema would refuse in words of its own. */}}
{{- define "pryv-operator.validate" -}}
{{- if and .Values.image.tag .Values.image.digest -}}
{{- fail "image.tag: refused together with image.digest; remove one of them" -}}
{{- end -}}
{{- if not (or (kindIs "invalid" .Values.podDisruptionBudget.minAvailable) (kindIs "invalid" .Values.podDisruptionBudget.maxUnavailable)) -}}
{{- fail "podDisruptionBudget.minAvailable: refused together with podDisruptionBudget.maxUnavailable; remove one of them" -}}
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
  verbs: [get, list, watch, create, patch, delete]
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
