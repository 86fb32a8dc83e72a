"""Every reason of a condition, an event or a warning: its meaning and its remedy.

Reasons are part of the API (scripts and alerts match them). The table in ``docs/operate.md`` is
generated from here. Reasons that a kubelet or the scheduler reports are passed on as they are; the
common ones are listed.
"""

from __future__ import annotations

from enum import Enum, StrEnum


class Scope(Enum):
    """Where a reason is reported, in the words of the docs."""

    PROBLEM = "What stops a platform until somebody acts (`Stalled`)"
    WAITING = "What a platform waits for (`Reconciling`)"
    STATE = "Outcomes"
    POD = "Reported for a component's pods, in Kubernetes' own words"
    WARNING = "Warnings: the platform works, but this should be known"
    EVENT = "Events only"


class Reason(StrEnum):
    """A reason, equal to its CamelCase name."""

    scope: Scope
    meaning: str
    remedy: str

    def __new__(cls, value: str, scope: Scope, meaning: str, remedy: str = "") -> Reason:
        """``meaning``: what is the case; ``remedy``: what to do, empty when nothing is to be done."""
        reason = str.__new__(cls, value)
        reason._value_ = value
        reason.scope = scope
        reason.meaning = meaning
        reason.remedy = remedy
        return reason

    # What stops a platform until somebody acts (Stalled)
    INVALID_SPEC = (
        "InvalidSpec",
        Scope.PROBLEM,
        (
            "the stored resource holds fields or values that this version of the operator "
            "does not accept"
        ),
        "correct the fields that the message names and apply the resource again",
    )
    MISSING_VARIABLES = (
        "MissingVariables",
        Scope.PROBLEM,
        "variables that the release needs have no value",
        (
            "set the named variables in `spec.variables`, or name a Secret for them in "
            "`spec.secrets`"
        ),
    )
    INVALID_VARIABLE = (
        "InvalidVariable",
        Scope.PROBLEM,
        "a variable has a value of the wrong type or outside its limits",
        "correct the named variable in `spec.variables`",
    )
    DUPLICATE_VARIABLE = (
        "DuplicateVariable",
        Scope.PROBLEM,
        "two variables, or two fields, set the same thing",
        "keep one of the two that the message names",
    )
    SECRET_IN_VARIABLES = (
        "SecretInVariables",
        Scope.PROBLEM,
        (
            "a secret value stands in `spec.variables`, where everybody who may read the "
            "resource reads it"
        ),
        (
            "move the value into a Secret and name it in `spec.secrets`; treat the old "
            "value as disclosed"
        ),
    )
    UNKNOWN_SECRET = (
        "UnknownSecret",
        Scope.PROBLEM,
        (
            "`spec.secrets` names something that is neither a variable of the release nor a "
            "path into one"
        ),
        "correct the name, or remove the entry",
    )
    SECRET_NOT_FOUND = (
        "SecretNotFound",
        Scope.PROBLEM,
        "a Secret that the spec refers to does not exist",
        "create the Secret that the message names",
    )
    SECRET_KEY_NOT_FOUND = (
        "SecretKeyNotFound",
        Scope.PROBLEM,
        "a Secret that the spec refers to lacks the key",
        "add the key to the Secret, or correct `secretKeyRef.key`",
    )
    INVALID_SECRET = (
        "InvalidSecret",
        Scope.PROBLEM,
        "a Secret holds a value that cannot be used",
        "correct the Secret that the message names",
    )
    RECURSION_LOOP = (
        "RecursionLoop",
        Scope.PROBLEM,
        "variables refer to each other in a circle",
        "change one of the variables that the message names",
    )
    UNDEFINED_VALUE = (
        "UndefinedValue",
        Scope.PROBLEM,
        "a file uses a variable that has no value",
        "set the variable that the message names",
    )
    TOO_LARGE = (
        "TooLarge",
        Scope.PROBLEM,
        "a rendered file or value exceeds its size limit",
        "shorten the variables that the message names",
    )
    TOO_MANY_NAMES = (
        "TooManyNames",
        Scope.PROBLEM,
        "there are more variable names than can be matched",
        "remove variables that nothing uses",
    )
    TOO_MANY_ELEMENTS = (
        "TooManyElements",
        Scope.PROBLEM,
        "a value has more elements than the limit",
        "shorten the variable that the message names",
    )
    TOO_DEEP = (
        "TooDeep",
        Scope.PROBLEM,
        "a value is nested deeper than the limit",
        "flatten the variable that the message names",
    )
    BAD_KEY = (
        "BadKey",
        Scope.PROBLEM,
        "a rendered object would have a key that it cannot have",
        "change the variable that the message names",
    )
    DOES_NOT_PARSE = (
        "DoesNotParse",
        Scope.PROBLEM,
        "a rendered file is not valid in the dialect of its reader",
        "correct the variable that the message names, often a quote or a line break",
    )
    TEMPLATE_FAILED = (
        "TemplateFailed",
        Scope.PROBLEM,
        "a Jinja template raises an error",
        "correct the template at the named file and line",
    )
    UNKNOWN_ROLE = (
        "UnknownRole",
        Scope.PROBLEM,
        "the templates lack a role that was asked for",
        "correct the name of the role",
    )
    DUPLICATE_FILE = (
        "DuplicateFile",
        Scope.PROBLEM,
        "two templates render to the same path",
        "remove one of the two",
    )
    FILE_TOO_LARGE = (
        "FileTooLarge",
        Scope.PROBLEM,
        "a rendered file does not fit into a ConfigMap or Secret",
        "shorten the variables that go into the file",
    )
    ADDRESS_REQUIRED = (
        "AddressRequired",
        Scope.PROBLEM,
        "the platform's DNS needs an IPv4 address that the cluster cannot tell",
        "set `address` of the role or instance that the message names",
    )
    MISSING_ROLE = (
        "MissingRole",
        Scope.PROBLEM,
        "the spec asks for a role that the templates do not have",
        "remove the role, or use templates that have it",
    )
    TEMPLATES_NOT_FOUND = (
        "TemplatesNotFound",
        Scope.PROBLEM,
        "a ConfigMap or Secret with templates, or its key, does not exist",
        "create the object that the message names",
    )
    INVALID_TEMPLATES = (
        "InvalidTemplates",
        Scope.PROBLEM,
        "templates cannot be used",
        "correct what the message names",
    )
    MISSING_COMPOSE_FILE = (
        "MissingComposeFile",
        Scope.PROBLEM,
        "a role has no `pryv.yml`, so its services are unknown",
        "add the file to the role's templates",
    )
    INVALID_COMPOSE_FILE = (
        "InvalidComposeFile",
        Scope.PROBLEM,
        "a role's `pryv.yml` cannot be used",
        "correct the file at the place that the message names",
    )
    SECRET_IN_COMPOSE_FILE = (
        "SecretInComposeFile",
        Scope.PROBLEM,
        "a secret stands in a compose field that everybody can read",
        "put it into an `environment` value, or remove it",
    )
    ARCHIVE_NO_TEMPLATES = (
        "ArchiveNoTemplates",
        Scope.PROBLEM,
        "the archive holds no leader's folder",
        "use the archive as it was received, or pack `conf/` and `data/`",
    )
    ARCHIVE_SEVERAL_LEADERS = (
        "ArchiveSeveralLeaders",
        Scope.PROBLEM,
        "the archive holds more than one leader's folder",
        "pack an archive of the one to use",
    )
    ARCHIVE_EMPTY = (
        "ArchiveEmpty",
        Scope.PROBLEM,
        "the archive is empty",
        "check how it was put into the ConfigMap or Secret (`--from-file` keeps bytes)",
    )
    ARCHIVE_NOT_AN_ARCHIVE = (
        "ArchiveNotAnArchive",
        Scope.PROBLEM,
        "the bytes are neither a tar nor a gzipped tar",
        "check how the archive was put into the ConfigMap or Secret",
    )
    ARCHIVE_BROKEN = (
        "ArchiveBroken",
        Scope.PROBLEM,
        "the tar is damaged",
        "fetch the archive again and compare its checksum",
    )
    ARCHIVE_BROKEN_GZIP = (
        "ArchiveBrokenGzip",
        Scope.PROBLEM,
        "the gzip stream is damaged",
        "fetch the archive again and compare its checksum",
    )
    ARCHIVE_TRUNCATED = (
        "ArchiveTruncated",
        Scope.PROBLEM,
        "the archive ends too early",
        "fetch the archive again and compare its checksum",
    )
    ARCHIVE_TRAILING_DATA = (
        "ArchiveTrailingData",
        Scope.PROBLEM,
        "bytes follow the end of the archive",
        "fetch the archive again and compare its checksum",
    )
    ARCHIVE_TOO_LARGE = (
        "ArchiveTooLarge",
        Scope.PROBLEM,
        "the archive exceeds a size limit",
        "remove what is not a template from it",
    )
    ARCHIVE_FILE_TOO_LARGE = (
        "ArchiveFileTooLarge",
        Scope.PROBLEM,
        "a file of the archive exceeds the size limit",
        "remove the file that the message names",
    )
    ARCHIVE_TOO_MANY_MEMBERS = (
        "ArchiveTooManyMembers",
        Scope.PROBLEM,
        "the archive has too many members",
        "remove what is not a template from it",
    )
    ARCHIVE_EXTENDED_HEADER_TOO_LARGE = (
        "ArchiveExtendedHeaderTooLarge",
        Scope.PROBLEM,
        "an extended tar header exceeds its limit",
        "pack the archive again with plain `tar`",
    )
    ARCHIVE_EXTENDED_HEADERS_TOO_LARGE = (
        "ArchiveExtendedHeadersTooLarge",
        Scope.PROBLEM,
        "the extended tar headers together exceed their limit",
        "pack the archive again with plain `tar`",
    )
    ARCHIVE_COMPRESSED_TOO_WELL = (
        "ArchiveCompressedTooWell",
        Scope.PROBLEM,
        "the archive grows suspiciously when it is unpacked",
        "do not use this archive; ask where it comes from",
    )
    ARCHIVE_SEVERAL_GZIP_STREAMS = (
        "ArchiveSeveralGzipStreams",
        Scope.PROBLEM,
        "the file holds several gzip streams",
        "pack the archive again",
    )
    ARCHIVE_DUPLICATE_MEMBER = (
        "ArchiveDuplicateMember",
        Scope.PROBLEM,
        "a path occurs twice in the archive",
        "pack the archive again",
    )
    ARCHIVE_EMPTY_NAME = (
        "ArchiveEmptyName",
        Scope.PROBLEM,
        "a member of the archive has no name",
        "pack the archive again",
    )
    ARCHIVE_PATH_TOO_LONG = (
        "ArchivePathTooLong",
        Scope.PROBLEM,
        "a path in the archive is too long",
        "shorten the path that the message names",
    )
    ARCHIVE_PATH_TOO_DEEP = (
        "ArchivePathTooDeep",
        Scope.PROBLEM,
        "a path in the archive is nested too deeply",
        "move the file that the message names",
    )
    ARCHIVE_NAME_NOT_UTF8 = (
        "ArchiveNameNotUtf8",
        Scope.PROBLEM,
        "a name in the archive is not UTF-8",
        "rename the file that the message names",
    )
    ARCHIVE_CONTROL_CHARACTER = (
        "ArchiveControlCharacter",
        Scope.PROBLEM,
        "a name in the archive holds a control character",
        "rename the file that the message names",
    )
    ARCHIVE_ABSOLUTE_PATH = (
        "ArchiveAbsolutePath",
        Scope.PROBLEM,
        "a member of the archive has an absolute path",
        "pack the archive again with relative paths",
    )
    ARCHIVE_PATH_TRAVERSAL = (
        "ArchivePathTraversal",
        Scope.PROBLEM,
        "a member of the archive leads out of its folder (`..`)",
        "do not use this archive; ask where it comes from",
    )
    ARCHIVE_SYMBOLIC_LINK = (
        "ArchiveSymbolicLink",
        Scope.PROBLEM,
        "a member of the archive is a symbolic link",
        "replace the link by a file",
    )
    ARCHIVE_HARD_LINK = (
        "ArchiveHardLink",
        Scope.PROBLEM,
        "a member of the archive is a hard link",
        "replace the link by a file",
    )
    ARCHIVE_DEVICE = (
        "ArchiveDevice",
        Scope.PROBLEM,
        "a member of the archive is a device",
        "remove it",
    )
    ARCHIVE_FIFO = (
        "ArchiveFifo",
        Scope.PROBLEM,
        "a member of the archive is a named pipe",
        "remove it",
    )
    ARCHIVE_SPARSE_FILE = (
        "ArchiveSparseFile",
        Scope.PROBLEM,
        "a member of the archive is a sparse file",
        "pack the archive again without `--sparse`",
    )
    ARCHIVE_UNKNOWN_MEMBER_TYPE = (
        "ArchiveUnknownMemberType",
        Scope.PROBLEM,
        "a member of the archive is neither a file nor a folder",
        "remove it",
    )
    PVC_SHARED = (
        "PVCShared",
        Scope.PROBLEM,
        "an existing PersistentVolumeClaim is named for more than one component",
        "name a PersistentVolumeClaim of its own for each",
    )
    NOT_SCALABLE = (
        "NotScalable",
        Scope.PROBLEM,
        "a component that runs once has `replicas` other than 1",
        "remove `replicas`; add core instances to scale core",
    )
    DUPLICATE_COMPONENT = (
        "DuplicateComponent",
        Scope.PROBLEM,
        "a component is configured under two spellings",
        "keep one of the two",
    )
    INVALID_AFFINITY = (
        "InvalidAffinity",
        Scope.PROBLEM,
        "an `affinity` does not have the form that pods have",
        "correct the field that the message names",
    )
    NAME_IN_USE = (
        "NameInUse",
        Scope.PROBLEM,
        "an object of the name exists and does not belong to this platform",
        "rename the object that the message names, or the platform",
    )
    REJECTED = (
        "Rejected",
        Scope.PROBLEM,
        ("the API server rejects an object; nothing of the change was applied but new Services"),
        "correct what the quoted message says",
    )
    FORBIDDEN = (
        "Forbidden",
        Scope.PROBLEM,
        "the API server does not allow a request of the operator",
        "check the operator's RBAC, quotas and admission webhooks",
    )
    CERT_MANAGER_NOT_INSTALLED = (
        "CertManagerNotInstalled",
        Scope.PROBLEM,
        "`tls.issuerRef` is set and the cluster has no cert-manager",
        "install cert-manager, or set `tls.secretName`",
    )
    CERTIFICATE_INVALID = (
        "CertificateInvalid",
        Scope.PROBLEM,
        "the TLS Secret holds no usable certificate and key",
        "correct the Secret that the message names",
    )
    INTERNAL_ERROR = (
        "InternalError",
        Scope.PROBLEM,
        "operator bug",
        "read the operator's log and report it",
    )

    # What a platform waits for (Reconciling)
    WAITING_FOR_SERVICES = (
        "WaitingForServices",
        Scope.WAITING,
        "Services have no cluster IP yet",
        "wait",
    )
    WAITING_FOR_LOAD_BALANCER = (
        "WaitingForLoadBalancer",
        Scope.WAITING,
        "a Service has no load-balancer address yet",
        "wait, or set `address`",
    )
    WAITING_FOR_CERTIFICATE = (
        "WaitingForCertificate",
        Scope.WAITING,
        "the reverse proxies wait for their certificate; everything else runs",
        "create the TLS Secret, or look at cert-manager's Certificate",
    )
    WAITING_FOR_OTHER_CORE = (
        "WaitingForOtherCore",
        Scope.WAITING,
        "a core waits for its turn until the other cores are ready",
        "repair the core that the message names",
    )
    PROGRESSING = (
        "Progressing",
        Scope.WAITING,
        "a change is being rolled out",
        "wait",
    )
    API_SERVER_FAILING = (
        "ApiServerFailing",
        Scope.WAITING,
        "the API server fails repeatedly; the operator retries",
        "look at the API server",
    )
    STOPPING = (
        "Stopping",
        Scope.WAITING,
        "`spec.stopped` is set and components are still ending",
        "wait",
    )
    ROLLING_BACK = (
        "RollingBack",
        Scope.WAITING,
        "a rollout failed and what it changed is being restored",
        "see the component that the message names",
    )

    # Outcomes
    READY = (
        "Ready",
        Scope.STATE,
        "every component runs the desired configuration and is ready",
    )
    RENDERED = (
        "Rendered",
        Scope.STATE,
        "all files of all roles are rendered",
    )
    COMPLETE = (
        "Complete",
        Scope.STATE,
        "every workload runs its newest configuration",
    )
    NOT_PAUSED = (
        "NotPaused",
        Scope.STATE,
        "changes are applied",
    )
    PAUSED = (
        "Paused",
        Scope.STATE,
        "`spec.rollout.paused` is set: nothing is applied, drift is reported only",
        "set `rollout.paused: false`",
    )
    STOPPED = (
        "Stopped",
        Scope.STATE,
        "`spec.stopped` is set: nothing runs, all data are retained",
        "set `stopped: false`",
    )
    ROLLOUT_HELD = (
        "RolloutHeld",
        Scope.STATE,
        ("a component was not ready in time; the components after it keep the old configuration"),
        "correct the cause that the message names; a change of the desired state retries",
    )
    ROLLOUT_FAILED = (
        "RolloutFailed",
        Scope.STATE,
        "a revision failed",
        "correct the cause that the message names; a change of the desired state retries",
    )
    ROLLED_BACK = (
        "RolledBack",
        Scope.STATE,
        "a rollout failed and what it changed is restored",
        "correct the cause that the message names; a change of the desired state retries",
    )

    # Reported for a component's pods, in Kubernetes' own words
    IMAGE_PULL_BACK_OFF = (
        "ImagePullBackOff",
        Scope.POD,
        "an image cannot be pulled",
        "check the image's name, the registry and `imagePullSecrets`",
    )
    CRASH_LOOP_BACK_OFF = (
        "CrashLoopBackOff",
        Scope.POD,
        "a container ends again and again",
        "read its log",
    )
    CREATE_CONTAINER_CONFIG_ERROR = (
        "CreateContainerConfigError",
        Scope.POD,
        "a container cannot be configured",
        "see the message",
    )
    CREATE_CONTAINER_ERROR = (
        "CreateContainerError",
        Scope.POD,
        "a container cannot be created",
        "see the message",
    )
    RUN_CONTAINER_ERROR = (
        "RunContainerError",
        Scope.POD,
        "a container cannot be started",
        "see the message",
    )
    INVALID_IMAGE_NAME = (
        "InvalidImageName",
        Scope.POD,
        "an image reference is not valid",
        "correct `image` or `imageRegistry`",
    )
    POD_FAILED = (
        "PodFailed",
        Scope.POD,
        "a pod has failed",
        "see the message",
    )
    UNSCHEDULABLE = (
        "Unschedulable",
        Scope.POD,
        "no node takes a pod",
        "see the message: resources, node selectors, taints",
    )
    PVC_PENDING = (
        "PVCPending",
        Scope.POD,
        "a PersistentVolumeClaim is not bound",
        "check the storage class and its provisioner",
    )
    FAILED_MOUNT = (
        "FailedMount",
        Scope.POD,
        "a volume cannot be mounted",
        "see the message",
    )
    FAILED_ATTACH_VOLUME = (
        "FailedAttachVolume",
        Scope.POD,
        "a volume cannot be attached",
        "see the message",
    )
    FAILED_MAP_VOLUME = (
        "FailedMapVolume",
        Scope.POD,
        "a block volume cannot be mapped",
        "see the message",
    )
    FAILED_CREATE_POD_SAND_BOX = (
        "FailedCreatePodSandBox",
        Scope.POD,
        "the node cannot start pods",
        "look at the node",
    )
    FAILED_CREATE = (
        "FailedCreate",
        Scope.POD,
        "no pod could be created: Pod Security, a quota, an admission webhook",
        "see the message",
    )

    # Warnings: the platform works, but this should be known
    CERTIFICATE_EXPIRED = (
        "CertificateExpired",
        Scope.WARNING,
        "the certificate has expired",
        "renew the certificate",
    )
    CERTIFICATE_NOT_YET_VALID = (
        "CertificateNotYetValid",
        Scope.WARNING,
        "the certificate is not valid yet",
        "check its dates and the clock of its issuer",
    )
    NOT_REACHABLE_FROM_OUTSIDE = (
        "NotReachableFromOutside",
        Scope.WARNING,
        "the platform's addresses are cluster IPs, so only pods reach it",
        "set `service.type: LoadBalancer`, or `address`, of the roles",
    )
    PRIVATE_CERTIFICATE = (
        "PrivateCertificate",
        Scope.WARNING,
        "the platform uses a certificate of its own authority, which clients do not trust",
        "set `tls.secretName` or `tls.issuerRef`",
    )
    CERTIFICATE_EXPIRING = (
        "CertificateExpiring",
        Scope.WARNING,
        "the certificate expires soon",
        "renew the certificate",
    )
    CERTIFICATE_NAMES = (
        "CertificateNames",
        Scope.WARNING,
        "the certificate does not cover all names of the platform",
        "use a certificate for DOMAIN and *.DOMAIN",
    )
    UNKNOWN_VARIABLE = (
        "UnknownVariable",
        Scope.WARNING,
        "no template or release knows the variable",
        "check its spelling",
    )
    UNKNOWN_HOSTING = (
        "UnknownHosting",
        Scope.WARNING,
        "`HOSTINGS_PROVIDERS` lacks a hosting that a core is in",
        "add the hosting",
    )
    UNUSED_OVERRIDE = (
        "UnusedOverride",
        Scope.WARNING,
        "a setting has no effect",
        "remove the field that the message names",
    )
    PVC_SIZE_UNCHANGED = (
        "PVCSizeUnchanged",
        Scope.WARNING,
        "a PersistentVolumeClaim keeps its size, as it cannot shrink",
        "set the size back",
    )
    PVC_STORAGE_CLASS_UNCHANGED = (
        "PVCStorageClassUnchanged",
        Scope.WARNING,
        "a PersistentVolumeClaim keeps its storage class, which is immutable",
        "set the class back, or move the data",
    )
    UNKNOWN_SERVICE = (
        "UnknownService",
        Scope.WARNING,
        "a compose service is not known to the operator, so it runs with defaults",
        "check its ports, state and probes",
    )
    HOST_PATH_NOT_MOUNTED = (
        "HostPathNotMounted",
        Scope.WARNING,
        "a path of the host is not mounted into pods",
        "see docs/migrate.md",
    )
    UNKNOWN_COMPOSE_KEY = (
        "UnknownComposeKey",
        Scope.WARNING,
        "a compose key is not supported and is ignored",
        "remove the key",
    )
    UPSTREAM_UNRESOLVED = (
        "UpstreamUnresolved",
        Scope.WARNING,
        "a public host that the templates name cannot be resolved in this cluster",
        "allow it in DNS, or change the template",
    )
    STORE_NOT_PUBLISHED = (
        "StoreNotPublished",
        Scope.WARNING,
        "a port of a store is not published, as stores have no password",
        "use the external slave of `roles.reg-master.externalSlave`",
    )
    UNKNOWN_RESTART_TARGET = (
        "UnknownRestartTarget",
        Scope.WARNING,
        "the restart annotation names something that does not exist",
        "correct the annotation",
    )
    DELETION_POLICY_REFUSED = (
        "DeletionPolicyRefused",
        Scope.WARNING,
        "owner references could not be brought in line with `deletionPolicy`",
        "see the message: RBAC or an admission webhook",
    )
    SECRET_RECREATED = (
        "SecretRecreated",
        Scope.WARNING,
        "a generated Secret was deleted while in use, and a new value was generated",
        "remove the annotation `pryv.io/made-anew` once read",
    )
    UNUSED_VARIABLE = (
        "UnusedVariable",
        Scope.WARNING,
        "no template uses the variable",
        "remove the variable, or check its spelling",
    )
    UNKNOWN_FIELD = (
        "UnknownField",
        Scope.WARNING,
        "a field of a file is not a field of PryvPlatform and is ignored",
        "check its spelling",
    )

    # Events only
    SECRET_GENERATED = (
        "SecretGenerated",
        Scope.EVENT,
        "a secret value was generated",
    )
    CERTIFICATE_ISSUED = (
        "CertificateIssued",
        Scope.EVENT,
        "the private authority, or a certificate of it, was created",
    )
    APPLIED = (
        "Applied",
        Scope.EVENT,
        "a revision, or a part of it, was applied",
    )
