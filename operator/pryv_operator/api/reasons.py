"""Every reason of a condition, an event or a warning: its meaning, a check and its remedy.

Reasons are part of the API: scripts and alerts match them. ``docs/troubleshooting.md`` is generated
from this file (``make generate``). Its commands name the platform acme in the namespace pryv.

To add one: add a row below in the group of its scope, report it as ``Reason.NAME``, regenerate.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class Scope(Enum):
    """What a reason is about, as a heading of the docs; in brackets the condition that is True."""

    SPEC = "Spec, variables and secrets (`Stalled`)"
    RENDERING = "Rendering of configuration files (`Stalled`)"
    TEMPLATES = "Your own templates (`Stalled`)"
    ARCHIVE = "Template archives (`Stalled`)"
    CLUSTER = "API server and certificates (`Stalled`)"
    FAILED_ROLLOUT = "Failed rollouts (`Stalled`)"
    POD = "Pods of a component (`Reconciling`; also `Stalled` where a container or pod fails)"
    WAITING = "Waiting (`Reconciling`)"
    OUTCOME = "Outcomes"
    WARNING = "Warnings: the platform works (`status.warnings`, and events)"
    EVENT = "Events only"


_SHOW: Final = "`kubectl get pryvplatform acme -n pryv -o wide`"
_CERTIFICATE: Final = (
    "`kubectl get secret NAME -n pryv -o jsonpath='{.data.tls\\.crt}' "
    "| base64 -d | openssl x509 -noout"
)
_DESCRIBE: Final = "`kubectl describe pryvplatform acme -n pryv`"

#: Where to look at a reason of each scope, if the reason does not say it itself.
CHECKS: Final[Mapping[Scope, str]] = {
    Scope.SPEC: f"{_SHOW} shows the message, which begins with the field",
    Scope.RENDERING: "the message names role, file and line; "
    "`kubectl pryv render -f platform.yaml --output files` shows the same without the cluster",
    Scope.TEMPLATES: f"{_SHOW} shows the message, which names the file",
    Scope.ARCHIVE: "the message names the member, if it is about one; "
    "`tar -tvzf archive.tgz` lists all",
    Scope.CLUSTER: f"{_DESCRIBE} shows the message, which names the object",
    Scope.FAILED_ROLLOUT: "`kubectl pryv history acme -n pryv` shows the revision and its cause",
    Scope.POD: "the message names instance and component; `kubectl get pods -n pryv -l "
    "pryv.io/platform=acme`, then `kubectl describe pod POD -n pryv`",
    Scope.WAITING: f"{_SHOW} names what it waits for",
    Scope.OUTCOME: f"{_DESCRIBE} shows the conditions",
    Scope.WARNING: f"{_DESCRIBE} shows the warning, which names the field, file or object",
    Scope.EVENT: "`kubectl events -n pryv --for pryvplatform/acme`",
}


class Reason(StrEnum):
    """A reason: a string equal to its CamelCase name."""

    scope: Scope
    meaning: str
    remedy: str
    check: str

    def __new__(
        cls, value: str, scope: Scope, meaning: str, remedy: str = "", check: str = ""
    ) -> Reason:
        """One row: ``meaning`` is the fact, ``remedy`` what to do (empty: nothing).

        ``check`` says where to look (empty: as for all of its scope).
        """
        reason = str.__new__(cls, value)
        reason._value_ = value
        reason.scope = scope
        reason.meaning = meaning
        reason.remedy = remedy
        reason.check = check or CHECKS[scope]
        return reason

    # fmt: off
    # --- spec, variables and secrets ---
    INVALID_SPEC = ("InvalidSpec", Scope.SPEC,
        "the stored resource has fields or values that this version of the operator rejects",
        "correct the fields that the message names, and apply the resource again",
        "`kubectl explain pryvplatform.spec --recursive` lists the fields and their types")
    MISSING_VARIABLES = ("MissingVariables", Scope.SPEC,
        "variables that the release needs have no value",
        "set the named variables in `spec.variables`, or name their Secrets in `spec.secrets`",
        "`kubectl pryv explain NAME` describes each variable that the message names")
    INVALID_VARIABLE = ("InvalidVariable", Scope.SPEC,
        "a variable has a value of the wrong type, or one that is not allowed",
        "correct the named variable in `spec.variables`",
        "`kubectl pryv explain NAME` shows the type of a variable, and what is allowed")
    DUPLICATE_VARIABLE = ("DuplicateVariable", Scope.SPEC,
        "a value is set twice: under two names, in variables and secrets, or in a field as well",
        "keep one of the two that the message names",
        "`kubectl pryv explain NAME` shows all names of a variable")
    SECRET_IN_VARIABLES = ("SecretInVariables", Scope.SPEC,
        "`spec.variables` holds a secret value, which everyone who can read the resource sees",
        "move the value into a Secret and name it in `spec.secrets`; replace the exposed value",
        "the message names the variable, and never its value")
    UNKNOWN_SECRET = ("UnknownSecret", Scope.SPEC,
        "`spec.secrets` names something that is not a variable of the release, nor inside one",
        "correct the name, or remove the entry",
        "`kubectl pryv explain` lists the variables of the release")
    SECRET_NOT_FOUND = ("SecretNotFound", Scope.SPEC,
        "a Secret that `spec.secrets` names does not exist",
        "create the Secret that the message names",
        "`kubectl get secret -n pryv` lists the Secrets that exist")
    SECRET_KEY_NOT_FOUND = ("SecretKeyNotFound", Scope.SPEC,
        "a Secret that `spec.secrets` names lacks the key",
        "add the key to the Secret, or correct `secretKeyRef.key`",
        "`kubectl describe secret NAME -n pryv` lists its keys, without their values")
    INVALID_SECRET = ("InvalidSecret", Scope.SPEC,
        "a Secret holds a value that cannot be used: not UTF-8, empty, or not valid JSON",
        "correct the Secret that the message names",
        "`kubectl describe secret NAME -n pryv` shows how long each value is")
    ADDRESS_REQUIRED = ("AddressRequired", Scope.SPEC,
        "the platform's DNS needs an IPv4 address that the Service does not give",
        "set `address` of the role or core instance that the message names",
        "`kubectl get service -n pryv -l pryv.io/platform=acme` shows their addresses")
    MISSING_ROLE = ("MissingRole", Scope.SPEC,
        "the spec has a role that the templates lack",
        "remove the role, or use templates that have it",
        "`kubectl pryv render -f platform.yaml --output files` writes a folder for each role")
    NOT_SCALABLE = ("NotScalable", Scope.SPEC,
        "a component that keeps state has `replicas` other than 1",
        "remove `replicas`; add core instances to scale core")
    DUPLICATE_COMPONENT = ("DuplicateComponent", Scope.SPEC,
        "a component is configured under two spellings, such as reverse_proxy and reverse-proxy",
        "keep one of the two")
    INVALID_AFFINITY = ("InvalidAffinity", Scope.SPEC,
        "`affinity.podAffinity` of a component is not valid",
        "correct the field that the message names")
    PVC_SHARED = ("PVCShared", Scope.SPEC,
        "one PersistentVolumeClaim is set as `existingClaim` of several components or instances",
        "give each its own PersistentVolumeClaim",
        "`kubectl get pvc -n pryv` lists the PersistentVolumeClaims")
    NOT_ALLOWED = ("NotAllowed", Scope.SPEC,
        "the spec reaches beyond the platform's namespace, or refers to an object of another owner",
        "remove the named field; if it is intended, allow it as the message says",
        "the message names the field, and the flag of the operator that allows it, if one does")

    # --- rendering ---
    UNDEFINED_VALUE = ("UndefinedValue", Scope.RENDERING,
        "a file uses a variable that has no value",
        "set the variable that the message names")
    RECURSION_LOOP = ("RecursionLoop", Scope.RENDERING,
        "the values of variables refer to each other in a circle",
        "change one of the variables that the message names")
    TOO_LARGE = ("TooLarge", Scope.RENDERING,
        "a rendered file, or a value, exceeds its size limit",
        "shorten the variables that go into it")
    TOO_MANY_NAMES = ("TooManyNames", Scope.RENDERING,
        "a text contains more names of variables than are replaced",
        "shorten the file, or the variables that go into it")
    TOO_MANY_ELEMENTS = ("TooManyElements", Scope.RENDERING,
        "a value has more elements than the limit",
        "shorten the variable that the message names")
    TOO_DEEP = ("TooDeep", Scope.RENDERING,
        "a value is nested deeper than the limit, or contains itself",
        "flatten the variable that the message names")
    BAD_KEY = ("BadKey", Scope.RENDERING,
        "a variable has a name that cannot appear in a file",
        "rename the variable")
    DOES_NOT_PARSE = ("DoesNotParse", Scope.RENDERING,
        "a rendered file is not valid JSON, YAML or Hjson",
        "correct the value at the named line; often a quote, a line break or an empty value")
    TEMPLATE_FAILED = ("TemplateFailed", Scope.RENDERING,
        "a Jinja2 template cannot be rendered",
        "correct the template at the named file and line, or the variables it uses")
    UNKNOWN_ROLE = ("UnknownRole", Scope.RENDERING,
        "the templates lack a role that is to be rendered",
        "use templates that have the role",
        "the message names the role; the templates have a folder for each of theirs")
    DUPLICATE_FILE = ("DuplicateFile", Scope.RENDERING,
        "two templates render to the same path: with and without `.j2`",
        "remove one of the two")
    FILE_TOO_LARGE = ("FileTooLarge", Scope.RENDERING,
        "a rendered file does not fit into a ConfigMap or Secret",
        "shorten the variables that go into it")

    LIMIT_EXCEEDED = ("LimitExceeded", Scope.RENDERING,
        "a platform is larger than one may be, or computing it exceeds a limit of time or memory",
        "simplify the templates or the variables, or remove what the message names",
        "the message names the limit, and how much there was")

    # --- templates of the user ---
    TEMPLATES_NOT_FOUND = ("TemplatesNotFound", Scope.TEMPLATES,
        "a ConfigMap or Secret that `spec.templates` names does not exist, or lacks the key",
        "create the object or key that the message names",
        "`kubectl get configmap,secret -n pryv` lists what exists")
    INVALID_TEMPLATES = ("InvalidTemplates", Scope.TEMPLATES,
        "the templates cannot be used",
        "correct the file that the message names")
    MISSING_COMPOSE_FILE = ("MissingComposeFile", Scope.TEMPLATES,
        "a role has no `pryv.yml`, so its services are unknown",
        "add the file to the role's templates",
        "the message names the role; its file is `ROLE/pryv.yml`")
    INVALID_COMPOSE_FILE = ("InvalidComposeFile", Scope.TEMPLATES,
        "the `pryv.yml` of a role cannot be used",
        "correct the file at the place that the message names",
        "`docker compose -f pryv.yml config` reads the rendered file as the operator does")
    SECRET_IN_COMPOSE_FILE = ("SecretInComposeFile", Scope.TEMPLATES,
        "a field of `pryv.yml` other than an `environment` value contains a secret",
        "move the secret into a value of `environment`")

    # --- archives ---
    ARCHIVE_NO_TEMPLATES = ("ArchiveNoTemplates", Scope.ARCHIVE,
        "the archive does not contain a leader's folder",
        "use the archive as you received it, or pack `conf/` and `data/` of the leader")
    ARCHIVE_SEVERAL_LEADERS = ("ArchiveSeveralLeaders", Scope.ARCHIVE,
        "the archive contains several leaders' folders",
        "pack an archive of the one to use")
    ARCHIVE_EMPTY = ("ArchiveEmpty", Scope.ARCHIVE,
        "the archive has no bytes",
        "create the ConfigMap or Secret again with `--from-file`",
        "`kubectl describe configmap NAME -n pryv` shows how many bytes each key has")
    ARCHIVE_NOT_AN_ARCHIVE = ("ArchiveNotAnArchive", Scope.ARCHIVE,
        "the content is neither tar nor gzip",
        "pack a `.tgz`, and create the ConfigMap or Secret with `--from-file`",
        "`file archive.tgz` shows what the file is")
    ARCHIVE_BROKEN = ("ArchiveBroken", Scope.ARCHIVE,
        "the tar is damaged",
        "download the archive again and compare its checksum",
        "`tar -tzf archive.tgz` fails, too; `sha256sum archive.tgz` is its checksum")
    ARCHIVE_BROKEN_GZIP = ("ArchiveBrokenGzip", Scope.ARCHIVE,
        "the gzip stream is damaged",
        "download the archive again and compare its checksum",
        "`gzip --test archive.tgz` fails, too; `sha256sum archive.tgz` is its checksum")
    ARCHIVE_TRUNCATED = ("ArchiveTruncated", Scope.ARCHIVE,
        "the archive ends too early",
        "download the archive again and compare its checksum",
        "`gzip --test archive.tgz` fails, too; `sha256sum archive.tgz` is its checksum")
    ARCHIVE_TRAILING_DATA = ("ArchiveTrailingData", Scope.ARCHIVE,
        "data follow the end of the archive",
        "download the archive again and compare its checksum")
    ARCHIVE_TOO_LARGE = ("ArchiveTooLarge", Scope.ARCHIVE,
        "the unpacked archive exceeds its size limit",
        "remove files that are not templates")
    ARCHIVE_FILE_TOO_LARGE = ("ArchiveFileTooLarge", Scope.ARCHIVE,
        "a file in the archive exceeds its size limit",
        "remove the file that the message names")
    ARCHIVE_TOO_MANY_MEMBERS = ("ArchiveTooManyMembers", Scope.ARCHIVE,
        "the archive has too many members",
        "remove files that are not templates")
    ARCHIVE_EXTENDED_HEADER_TOO_LARGE = ("ArchiveExtendedHeaderTooLarge", Scope.ARCHIVE,
        "an extended header (pax, GNU long name) exceeds its size limit",
        "pack the archive again with plain `tar`")
    ARCHIVE_EXTENDED_HEADERS_TOO_LARGE = ("ArchiveExtendedHeadersTooLarge", Scope.ARCHIVE,
        "the extended headers together exceed their size limit",
        "pack the archive again with plain `tar`")
    ARCHIVE_COMPRESSED_TOO_WELL = ("ArchiveCompressedTooWell", Scope.ARCHIVE,
        "the archive unpacks to far more than its own size, as a decompression bomb does",
        "do not use it; ask its sender",
        "`gzip --list archive.tgz` shows both sizes")
    ARCHIVE_SEVERAL_GZIP_STREAMS = ("ArchiveSeveralGzipStreams", Scope.ARCHIVE,
        "the file consists of several gzip streams",
        "pack the archive again")
    ARCHIVE_DUPLICATE_MEMBER = ("ArchiveDuplicateMember", Scope.ARCHIVE,
        "the archive contains a path twice",
        "pack the archive again")
    ARCHIVE_EMPTY_NAME = ("ArchiveEmptyName", Scope.ARCHIVE,
        "a member of the archive has no name",
        "pack the archive again")
    ARCHIVE_PATH_TOO_LONG = ("ArchivePathTooLong", Scope.ARCHIVE,
        "a path in the archive is too long",
        "shorten the path that the message names")
    ARCHIVE_PATH_TOO_DEEP = ("ArchivePathTooDeep", Scope.ARCHIVE,
        "a path in the archive is nested too deeply",
        "move the file that the message names")
    ARCHIVE_NAME_NOT_UTF8 = ("ArchiveNameNotUtf8", Scope.ARCHIVE,
        "a name in the archive is not UTF-8",
        "rename the file that the message names")
    ARCHIVE_CONTROL_CHARACTER = ("ArchiveControlCharacter", Scope.ARCHIVE,
        "a name in the archive contains a control character",
        "rename the file that the message names")
    ARCHIVE_ABSOLUTE_PATH = ("ArchiveAbsolutePath", Scope.ARCHIVE,
        "a path in the archive is absolute, or has backslashes",
        "pack the archive again with relative paths")
    ARCHIVE_PATH_TRAVERSAL = ("ArchivePathTraversal", Scope.ARCHIVE,
        "a path in the archive leads out of its folder (`..`)",
        "do not use it; ask its sender")
    ARCHIVE_SYMBOLIC_LINK = ("ArchiveSymbolicLink", Scope.ARCHIVE,
        "a member of the archive is a symbolic link",
        "replace the link with the file")
    ARCHIVE_HARD_LINK = ("ArchiveHardLink", Scope.ARCHIVE,
        "a member of the archive is a hard link",
        "replace the link with the file")
    ARCHIVE_DEVICE = ("ArchiveDevice", Scope.ARCHIVE,
        "a member of the archive is a device",
        "remove the member that the message names")
    ARCHIVE_FIFO = ("ArchiveFifo", Scope.ARCHIVE,
        "a member of the archive is a named pipe",
        "remove the member that the message names")
    ARCHIVE_SPARSE_FILE = ("ArchiveSparseFile", Scope.ARCHIVE,
        "a member of the archive is a sparse file",
        "pack the archive again without `--sparse`")
    ARCHIVE_UNKNOWN_MEMBER_TYPE = ("ArchiveUnknownMemberType", Scope.ARCHIVE,
        "a member of the archive is neither a file nor a folder",
        "remove the member that the message names")

    # --- API server and certificates ---
    NAME_IN_USE = ("NameInUse", Scope.CLUSTER,
        "an object of the same name exists, and does not belong to this platform",
        "rename or delete the object that the message names, or rename the platform",
        "`kubectl get KIND NAME -n pryv -o jsonpath='{.metadata}'` shows labels and owners")
    ADOPTION_REQUIRED = ("AdoptionRequired", Scope.CLUSTER,
        "Secrets with the names of the platform's own exist, and its status does not record them",
        "to use them (after a restore), set `pryv.io/adopt` to a new value; otherwise delete them",
        "`kubectl get secret,pvc -n pryv -l pryv.io/platform=acme` lists what exists")
    REJECTED = ("Rejected", Scope.CLUSTER,
        "the API server rejects an object; what runs is not changed",
        "correct what the quoted answer complains about",
        "the message quotes the API server; `kubectl get events -n pryv` may show more")
    FORBIDDEN = ("Forbidden", Scope.CLUSTER,
        "the API server forbids a request of the operator",
        "check the operator's RBAC, quotas and admission webhooks",
        "the message quotes the API server; `kubectl get resourcequota -n pryv` shows quotas")
    CERT_MANAGER_NOT_INSTALLED = ("CertManagerNotInstalled", Scope.CLUSTER,
        "`spec.tls.issuerRef` is set, and the cluster has no cert-manager",
        "install cert-manager, or set `spec.tls.secretName`",
        "`kubectl get crd certificates.cert-manager.io` fails")
    CERTIFICATE_INVALID = ("CertificateInvalid", Scope.CLUSTER,
        "the TLS Secret does not hold a certificate chain and its key as nginx reads them",
        "correct the Secret that the message names",
        "`openssl x509 -noout -subject -enddate -in tls.crt`, with the content of the Secret")
    INTERNAL_ERROR = ("InternalError", Scope.CLUSTER,
        "operator bug",
        "look at the operator's log, and report the bug",
        "`kubectl logs -n pryv-system deployment/pryv-operator` has the traceback")

    # --- failed rollouts ---
    ROLLOUT_FAILED = ("RolloutFailed", Scope.FAILED_ROLLOUT,
        "a component missed the deadline; `RolloutHeld` or `RollingBack` follows at once",
        "see the component that the message names")
    ROLLOUT_HELD = ("RolloutHeld", Scope.FAILED_ROLLOUT,
        "a rollout failed and stopped; the components after it keep the old configuration",
        "correct the named cause; to retry, change the spec or the annotation `pryv.io/reconcile`")
    ROLLING_BACK = ("RollingBack", Scope.FAILED_ROLLOUT,
        "a rollout failed, and the last good revision is being restored (also `Reconciling`)",
        "correct the named cause; to retry, change the spec or the annotation `pryv.io/reconcile`")
    ROLLED_BACK = ("RolledBack", Scope.FAILED_ROLLOUT,
        "a rollout failed, and the last good revision runs again",
        "correct the named cause; to retry, change the spec or the annotation `pryv.io/reconcile`")

    # --- pods: reasons of Kubernetes, reported as they are, and some of the operator ---
    IMAGE_PULL_BACK_OFF = ("ImagePullBackOff", Scope.POD,
        "an image cannot be pulled",
        "check the image's name, the registry and `spec.imagePullSecrets`",
        "`kubectl describe pod POD -n pryv` quotes the registry's answer")
    ERR_IMAGE_NEVER_PULL = ("ErrImageNeverPull", Scope.POD,
        "an image is not on the node, and must not be pulled",
        "load the image onto the node, or check the policy that forbids pulling",
        "`kubectl get node NODE -o jsonpath='{.status.images[*].names}'` lists its images")
    INVALID_IMAGE_NAME = ("InvalidImageName", Scope.POD,
        "an image reference is not valid",
        "correct `image` of the component, or `spec.imageRegistry`",
        "`kubectl get pod POD -n pryv -o jsonpath='{.spec.containers[*].image}'`")
    CRASH_LOOP_BACK_OFF = ("CrashLoopBackOff", Scope.POD,
        "a container exits again and again",
        "read its log: `kubectl logs --previous`",
        "`kubectl logs POD -n pryv --all-containers --previous` shows how it ended")
    CREATE_CONTAINER_CONFIG_ERROR = ("CreateContainerConfigError", Scope.POD,
        "a container cannot be configured",
        "see the message: a ConfigMap or Secret may be missing")
    CREATE_CONTAINER_ERROR = ("CreateContainerError", Scope.POD,
        "a container cannot be created",
        "see the message, and the node's container runtime")
    RUN_CONTAINER_ERROR = ("RunContainerError", Scope.POD,
        "a container cannot be started",
        "see the message, and the node's container runtime")
    POD_FAILED = ("PodFailed", Scope.POD,
        "a pod failed, and Kubernetes gives no reason",
        "describe the pod")
    EVICTED = ("Evicted", Scope.POD,
        "the node evicted a pod: it ran short of memory or disk",
        "see the message; give the component `resources`, or the node room",
        "`kubectl describe node NODE` shows pressure of memory and disk")
    UNSCHEDULABLE = ("Unschedulable", Scope.POD,
        "no node can run a pod",
        "see the message: resources, node selectors, affinity, taints",
        "`kubectl describe pod POD -n pryv` shows why each node does not fit")
    PVC_PENDING = ("PVCPending", Scope.POD,
        "a PersistentVolumeClaim is not bound",
        "check the storage class and its provisioner",
        "`kubectl describe pvc -n pryv -l pryv.io/platform=acme` shows the provisioner's events")
    NODE_NOT_READY = ("NodeNotReady", Scope.POD,
        "the node of a pod is not ready, so the pod may not run",
        "repair the node; if it does not come back, delete it, so that its pods move",
        "`kubectl get nodes`, then `kubectl describe node NODE`")
    VOLUME_NOT_WRITABLE = ("VolumeNotWritable", Scope.POD,
        "the user of a component cannot write to its volume",
        "the storage ignores `fsGroup` (NFS, hostPath): change the owner of the folder there",
        "`kubectl logs POD -n pryv -c volume-owner` names the folder")
    FAILED_MOUNT = ("FailedMount", Scope.POD,
        "a volume cannot be mounted",
        "see the message: a ConfigMap or Secret may be missing, or the storage may fail")
    FAILED_ATTACH_VOLUME = ("FailedAttachVolume", Scope.POD,
        "a volume cannot be attached to the node",
        "see the message: another node may still use it")
    FAILED_MAP_VOLUME = ("FailedMapVolume", Scope.POD,
        "a block volume cannot be mapped",
        "see the message, and the storage driver")
    FAILED_CREATE_POD_SAND_BOX = ("FailedCreatePodSandBox", Scope.POD,
        "the node cannot set up a pod's network",
        "check the node and its network plugin",
        "`kubectl describe pod POD -n pryv` quotes the network plugin")
    FAILED_CREATE = ("FailedCreate", Scope.POD,
        "no pod can be created: Pod Security, a quota or an admission webhook",
        "see the message, which quotes the API server",
        "`kubectl describe statefulset,replicaset -n pryv -l pryv.io/platform=acme`")
    SCALED_TO_ZERO = ("ScaledToZero", Scope.POD,
        "another client has scaled a component to zero pods",
        "scale it up (`kubectl scale`, the autoscaler), or set `replicas: 0` of the component",
        "`kubectl get deployment,statefulset,hpa -n pryv` shows replicas and autoscalers")
    FAILED_DELETE = ("FailedDelete", Scope.POD,
        "a pod of the former configuration cannot be deleted",
        "see the message, which quotes the API server")

    # --- waiting ---
    WAITING_FOR_SERVICES = ("WaitingForServices", Scope.WAITING,
        "Services have no cluster IP yet",
        "wait; if it lasts, check that the Services exist",
        "`kubectl get service -n pryv -l pryv.io/platform=acme` shows cluster IPs")
    WAITING_FOR_LOAD_BALANCER = ("WaitingForLoadBalancer", Scope.WAITING,
        "a Service of type LoadBalancer has no address yet",
        "wait, or set `address` of the role or core instance",
        "`kubectl describe service acme-reg -n pryv` shows the events of its controller")
    WAITING_FOR_CERTIFICATE = ("WaitingForCertificate", Scope.WAITING,
        "the reverse proxies wait for their certificate",
        "create the TLS Secret, or check cert-manager's Certificate",
        "`kubectl get secret -n pryv`; with cert-manager `kubectl describe certificate -n pryv`")
    WAITING_FOR_PVC = ("WaitingForPVC", Scope.WAITING,
        "a PersistentVolumeClaim that `existingClaim` names does not exist, or is being deleted",
        "create the PersistentVolumeClaim that the message names",
        "`kubectl get pvc -n pryv` lists the PersistentVolumeClaims")
    WAITING_FOR_OTHER_CORE = ("WaitingForOtherCore", Scope.WAITING,
        "a core instance is changed only while the others are ready, and one is not",
        "fix the core instance that the message names",
        "`kubectl get pods -n pryv -l pryv.io/platform=acme` shows which is not ready")
    PROGRESSING = ("Progressing", Scope.WAITING,
        "a change is rolled out, or pods are starting",
        "wait",
        "`kubectl get pods -n pryv -l pryv.io/platform=acme` shows what starts")
    STOPPING = ("Stopping", Scope.WAITING,
        "`spec.stopped` is set, and pods are still terminating",
        "wait",
        "`kubectl get pods -n pryv -l pryv.io/platform=acme` shows what still terminates")
    API_SERVER_FAILING = ("ApiServerFailing", Scope.WAITING,
        "the API server fails repeatedly; the operator retries",
        "check the API server",
        "`kubectl get --raw /readyz?verbose`, and the operator's log")

    # --- outcomes ---
    READY = ("Ready", Scope.OUTCOME,
        "every component runs the desired configuration and is ready")
    RENDERED = ("Rendered", Scope.OUTCOME,
        "all files of all roles are rendered")
    COMPLETE = ("Complete", Scope.OUTCOME,
        "every workload runs its newest configuration")
    NOT_PAUSED = ("NotPaused", Scope.OUTCOME,
        "changes are applied")
    PAUSED = ("Paused", Scope.OUTCOME,
        "`spec.rollout.paused` is set: nothing is applied; changes and drift are only reported",
        "set `spec.rollout.paused: false` to apply them",
        "the condition `Paused` lists what would be applied")
    STOPPED = ("Stopped", Scope.OUTCOME,
        "`spec.stopped` is set: nothing runs, all data are retained",
        "set `spec.stopped: false` to start it again")

    # --- warnings ---
    NOT_REACHABLE_FROM_OUTSIDE = ("NotReachableFromOutside", Scope.WARNING,
        "Services have type ClusterIP: only pods of the cluster reach the platform",
        "set `service.type: LoadBalancer` of the roles; `address` alone publishes nothing",
        "`kubectl get service -n pryv -l pryv.io/platform=acme` shows types and addresses")
    CUT_OVER_PENDING = ("CutOverPending", Scope.WARNING,
        "the platform was imported: its stores are empty, and its users are on the old machines",
        "cut over (`docs/migrate.md`), then remove the annotation `pryv.io/cut-over`",
        "`kubectl get pryvplatform acme -n pryv -o jsonpath='{.metadata.annotations}'`")
    PRIVATE_CERTIFICATE = ("PrivateCertificate", Scope.WARNING,
        "the platform uses a certificate of its own private authority, which no client trusts",
        "set `spec.tls.secretName` or `spec.tls.issuerRef`")
    CERTIFICATE_CHAIN = ("CertificateChain", Scope.WARNING,
        "the chain of a certificate is not in order, or holds others; clients may reject it",
        "order it leaf first, each certificate followed by its issuer")
    CERTIFICATE_EXPIRED = ("CertificateExpired", Scope.WARNING,
        "the certificate, or one of its chain, has expired",
        "renew the certificate in the Secret that the message names",
        f"{_CERTIFICATE} -dates`")
    CERTIFICATE_EXPIRING = ("CertificateExpiring", Scope.WARNING,
        "the certificate, or one of its chain, expires within 14 days",
        "renew the certificate in the Secret that the message names",
        f"{_CERTIFICATE} -dates`")
    CERTIFICATE_NOT_YET_VALID = ("CertificateNotYetValid", Scope.WARNING,
        "the certificate, or one of its chain, is not valid yet",
        "check its dates, and the clocks of its issuer and of the nodes",
        f"{_CERTIFICATE} -dates`")
    CERTIFICATE_NAMES = ("CertificateNames", Scope.WARNING,
        "the certificate does not cover all host names of the platform",
        "use a certificate for DOMAIN and *.DOMAIN",
        f"{_CERTIFICATE} -ext subjectAltName`")
    UNKNOWN_VARIABLE = ("UnknownVariable", Scope.WARNING,
        "a variable is not one of the release, and no template uses it",
        "check its spelling",
        "`kubectl pryv explain` lists the variables of the release")
    UNUSED_VARIABLE = ("UnusedVariable", Scope.WARNING,
        "no template of the platform's roles uses a variable of the release",
        "remove the variable",
        "`kubectl pryv explain NAME` shows which files a variable goes into")
    UNKNOWN_HOSTING = ("UnknownHosting", Scope.WARNING,
        "`HOSTINGS_PROVIDERS` lacks a hosting of a core instance; register invents a provider",
        "add the hosting",
        "`kubectl pryv explain HOSTINGS_PROVIDERS` shows the form of the variable")
    UNUSABLE_VALUE = ("UnusableValue", Scope.WARNING,
        "a service ignores a value of a variable, or may not start with it",
        "correct the field that the message names",
        "`kubectl pryv explain NAME` shows what is allowed")
    LINE_BREAK_DROPPED = ("LineBreakDropped", Scope.WARNING,
        "the text of a Secret ends with a line break, which is not used",
        "write the Secret without it, or set `secretKeyRef.trim: false` to keep it")
    ORIGINAL_CHANGED = ("OriginalChanged", Scope.WARNING,
        "a file of the templates that `spec.templates.files` replaces has changed",
        "compare the two files and adapt yours; any change of it confirms that")
    NOTHING_REPLACED = ("NothingReplaced", Scope.WARNING,
        "a file of `spec.templates.files` replaces none of the templates, so it is added",
        "correct its path, unless a file of yours refers to it")
    FIELD_CONFLICT = ("FieldConflict", Scope.WARNING,
        "another client changes a field of an object of the operator again and again",
        "configure that client to ignore the object, or make the change in the spec",
        "`kubectl get KIND NAME -n pryv -o yaml --show-managed-fields` names the other client")
    DOMAIN_IN_USE = ("DomainInUse", Scope.WARNING,
        "another platform has the same domain; clients reach only one of them",
        "change the domain of one, or delete it",
        "`kubectl get pryvplatforms -A` shows all domains that you may see")
    RELEASE_AVAILABLE = ("ReleaseAvailable", Scope.WARNING,
        "a newer built-in release exists; the platform stays at that of its first install",
        "back up the data, then set `spec.release`",
        "`kubectl get pryvplatform acme -n pryv -o jsonpath='{.status.release}'`")
    UPDATE_DEFERRED = ("UpdateDeferred", Scope.WARNING,
        "this version of the operator would change pods, and nothing else has changed",
        "nothing, or set the annotation `pryv.io/update` to a new value to apply it now")
    READ_ONLY_REPLICA = ("ReadOnlyReplica", Scope.WARNING,
        "the redis of a second name server refuses writes, so register and dns do not start there",
        "replace the named file (`spec.templates.files`) by one with `replica-read-only no`")
    NOT_STRICT_JSON = ("NotStrictJson", Scope.WARNING,
        "a file is valid Hjson, but the image reads strict JSON only: its process does not start",
        "remove comments, and write all quotes and commas, in the file that the message names")
    UNUSED_OVERRIDE = ("UnusedOverride", Scope.WARNING,
        "a field of the spec has no effect",
        "remove the field that the message names")
    UNKNOWN_FIELD = ("UnknownField", Scope.WARNING,
        "a field in a file is not a field of PryvPlatform, and is ignored",
        "check its spelling",
        "`kubectl explain pryvplatform.spec --recursive` lists the fields")
    UNKNOWN_SERVICE = ("UnknownService", Scope.WARNING,
        "a compose service is not a known one of Pryv.io, and runs with a default profile",
        "check its ports, data and probes")
    UNKNOWN_COMPOSE_KEY = ("UnknownComposeKey", Scope.WARNING,
        "a key of `pryv.yml` is not supported, and is ignored",
        "remove the key")
    UNSET_COMPOSE_VARIABLE = ("UnsetComposeVariable", Scope.WARNING,
        "`pryv.yml` uses a variable of the machine, which pods do not have; it counts as unset",
        "write the value itself into `pryv.yml`, or a default: `${NAME:-value}`")
    NOTHING_TO_MOUNT = ("NothingToMount", Scope.WARNING,
        "`pryv.yml` mounts a file or folder of the role that the templates do not have",
        "add it to the templates, or remove the volume")
    HOST_PATH_NOT_MOUNTED = ("HostPathNotMounted", Scope.WARNING,
        "`pryv.yml` mounts a path of the host, which pods do not get",
        "check that the component does not need it")
    TMPFS_NOT_MOUNTED = ("TmpfsNotMounted", Scope.WARNING,
        "`pryv.yml` mounts a tmpfs where a component keeps its state; a PVC is mounted there",
        "remove the tmpfs")
    STORE_NOT_PUBLISHED = ("StoreNotPublished", Scope.WARNING,
        "a port of a store is not published, because stores have no password",
        "use `roles.reg-master.externalSlave` for a reg-slave outside the cluster")
    PORT_NOT_PUBLISHED = ("PortNotPublished", Scope.WARNING,
        "`pryv.yml` binds a port to the loopback of the host, or to no port of it",
        "write `HOST:CONTAINER` without an address to publish the port")
    PORT_PUBLISHED_WIDER = ("PortPublishedWider", Scope.WARNING,
        "`pryv.yml` binds a port to one address of the host; its Service has every address",
        "set `service.loadBalancerSourceRanges`, or remove the address")
    UPSTREAM_UNRESOLVED = ("UpstreamUnresolved", Scope.WARNING,
        "the cluster cannot resolve a public host of the templates; its pages fail",
        "check the cluster's DNS, or change the templates",
        "`kubectl run dns --rm -it --image busybox --restart Never -- nslookup HOST`")
    PVC_SIZE_UNCHANGED = ("PVCSizeUnchanged", Scope.WARNING,
        "a PersistentVolumeClaim cannot shrink, and keeps its size",
        "set `storage.size` to the live size",
        "`kubectl get pvc -n pryv -l pryv.io/platform=acme` shows sizes and classes")
    PVC_STORAGE_CLASS_UNCHANGED = ("PVCStorageClassUnchanged", Scope.WARNING,
        "a PersistentVolumeClaim keeps its storage class, which is immutable",
        "set `storage.storageClassName` to the live class",
        "`kubectl get pvc -n pryv -l pryv.io/platform=acme` shows sizes and classes")
    LOAD_BALANCER_CLASS_UNCHANGED = ("LoadBalancerClassUnchanged", Scope.WARNING,
        "a Service of type LoadBalancer keeps its class, which is immutable",
        "restore `loadBalancerClass`, or delete the Service to have it recreated with the new one",
        "`kubectl get service NAME -n pryv -o jsonpath='{.spec.loadBalancerClass}'`")
    UNKNOWN_RESTART_TARGET = ("UnknownRestartTarget", Scope.WARNING,
        "the annotation `pryv.io/restart` names an unknown role, instance or component",
        "correct the annotation",
        "`kubectl get pods -n pryv -L pryv.io/role,pryv.io/instance,pryv.io/component`")
    DELETION_POLICY_REFUSED = ("DeletionPolicyRefused", Scope.WARNING,
        "the API server refuses owner references that `spec.deletionPolicy` asks for",
        "see the message: RBAC or an admission webhook",
        "`kubectl get pvc -n pryv -o yaml` shows owner references")
    SECRET_RECREATED = ("SecretRecreated", Scope.WARNING,
        "a generated Secret was deleted while in use, and was recreated with a new value",
        "renew what the old value protected; then remove the annotation `pryv.io/recreated`",
        "`kubectl describe secret -n pryv -l pryv.io/platform=acme` shows the annotation")

    # --- events ---
    APPLIED = ("Applied", Scope.EVENT,
        "workloads of a revision were applied")
    SECRET_GENERATED = ("SecretGenerated", Scope.EVENT,
        "a secret value was generated")
    CERTIFICATE_ISSUED = ("CertificateIssued", Scope.EVENT,
        "the private authority, or a certificate signed by it, was created")
    # fmt: on
