"""Every check of ``kubectl pryv check``: what it tests, and how to fix what it finds.

``docs/prerequisites.md`` is generated from this file (``make generate``).
To add one: add a row below, and a function that judges it.
"""

from __future__ import annotations

from enum import Enum, StrEnum


class Section(Enum):
    """A group of checks; the value is its heading, the name in lower case its option."""

    CLUSTER = "The cluster"
    PLATFORM = "The platform"
    DNS = "DNS"
    CERTIFICATE = "Certificates"
    PORTS = "Ports and service information"
    MAIL = "E-mail"
    IMAGES = "Images"
    STORAGE = "Storage"

    @property
    def option(self) -> str:
        """The value of ``--only`` that selects it."""
        return self.name.lower()


class Check(StrEnum):
    """A check: a string equal to its CamelCase name."""

    section: Section
    tests: str
    remedy: str

    def __new__(cls, value: str, section: Section, tests: str, remedy: str) -> Check:
        """One row: ``tests`` is what has to be the case, ``remedy`` what to do if it is not."""
        check = str.__new__(cls, value)
        check._value_ = value
        check.section = section
        check.tests = tests
        check.remedy = remedy
        return check

    # fmt: off
    # --- the cluster ---
    KUBERNETES_VERSION = ("KubernetesVersion", Section.CLUSTER,
        "the API server is of Kubernetes 1.32 or newer",
        "upgrade the cluster")
    CUSTOM_RESOURCE = ("CustomResourceDefinition", Section.CLUSTER,
        "the CRD is installed, and of the same version as this command",
        "install the operator, or apply the CRD of its version; use kubectl-pryv of that version")
    OPERATOR = ("Operator", Section.CLUSTER,
        "an operator leads: its Lease was renewed within its duration",
        "install the operator, or look at its pods and logs")
    NETWORK_POLICIES = ("NetworkPolicies", Section.CLUSTER,
        "the network plugin is one that enforces NetworkPolicies, which isolate the databases",
        "use a plugin that enforces them, such as Calico or Cilium")

    # --- the platform ---
    SPEC = ("Spec", Section.PLATFORM,
        "the operator accepts the spec, and every file can be rendered",
        "correct the field that the message names")
    CONDITION = ("Condition", Section.PLATFORM,
        "the condition in the status of the platform is as it should be",
        "see the remedy of the reason")
    WARNING = ("Warning", Section.PLATFORM,
        "the operator reports no warnings",
        "see the remedy of the reason")

    # --- DNS ---
    DELEGATION = ("Delegation", Section.DNS,
        "the NS records of the domain, as the resolver finds them, name the platform's DNS server",
        "in the parent zone, create an NS record for the domain that names dns1.DOMAIN")
    GLUE = ("Glue", Section.DNS,
        "the parent zone's name servers hold the address of a name server inside of the domain",
        "in the parent zone, add an A record (glue) for the name server, with this address")
    NAME_SERVER = ("NameServerAddress", Section.DNS,
        "the name server's name resolves to the address of the platform's DNS Service",
        "correct the glue record, or the address of the role in the spec")
    HOST = ("HostAddress", Section.DNS,
        "a host name of the platform resolves to the address of its role",
        "correct the delegation; after a change, wait for the TTL of the old record")
    DNS_SERVER = ("DnsServer", Section.DNS,
        "the platform's own DNS server, asked directly, answers for every host name",
        "look at the pods of dns, and whether UDP port 53 reaches them")

    # --- certificates ---
    CERTIFICATE = ("Certificate", Section.CERTIFICATE,
        "the certificate in the Secret covers DOMAIN and *.DOMAIN, is valid, and has its chain",
        "renew the certificate in the Secret")
    CERTIFICATE_TRUST = ("CertificateTrust", Section.CERTIFICATE,
        "an authority that this machine or --ca-file trusts has issued the certificate",
        "use a certificate of a public authority, or give its authority to all clients")
    CERTIFICATE_SERVED = ("CertificateServed", Section.CERTIFICATE,
        "the certificate that is really served is trusted, covers the host name and is valid",
        "look at the pod of the reverse proxy, and at what is in front of it")

    # --- ports, service information ---
    PORT = ("Port", Section.PORTS,
        "the TCP ports 443, 80 and 53 that a role publishes accept connections",
        "look at the Service and its endpoints, the load balancer and firewalls")
    SERVICE_INFORMATION = ("ServiceInformation", Section.PORTS,
        "https://reg.DOMAIN/service/info answers, with the values of this platform",
        "look at the pods of register and its reverse proxy; wait for the rollout to complete")

    # --- e-mail ---
    MAIL_SERVER = ("MailServer", Section.MAIL,
        "the mail server accepts a connection, encrypted, and the login (no e-mail is sent)",
        "correct EMAIL_SMTP_SETTINGS, or the Secret with its password")
    MAIL_SENT = ("MailSent", Section.MAIL,
        "with --send-mail-to: the mail server accepts an e-mail from the configured sender",
        "allow the address of EMAIL_SENDER at the mail server")

    # --- images ---
    IMAGE = ("Image", Section.IMAGES,
        "nodes have pulled the image, or its registry has it for the pull Secrets",
        "correct the image or imageRegistry, and the Secrets in imagePullSecrets")

    # --- storage ---
    STORAGE_CLASS = ("StorageClass", Section.STORAGE,
        "the storage class exists, can expand volumes, and binds when a pod is scheduled",
        "name an existing class in storage.storageClassName, or make one the default")
    # fmt: on
