"""What a user writes: the spec of a PryvPlatform. The CRD is generated from these models (``make generate``).

Validation lives twice on purpose: the API server refuses what the CRD's schema and rules can see, and the
models check again what a stored object holds, for an object may be older than the CRD.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from pryv_operator.api import names, secret_variables
from pryv_operator.api.schema import (
    ATOMIC,
    RULES,
    SET,
    Schema,
    cel,
    list_map,
    matches,
    preserve_unknown,
    together,
)

RELEASES: Final = ("1.9.2",)

_LABEL: Final = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_DOMAIN: Final = rf"^({_LABEL}[.])+[a-z]([-a-z0-9]{{0,61}}[a-z0-9])?$"
_KEY: Final = "^[-._a-zA-Z0-9]+$"
_IMAGE: Final = (
    "^([a-zA-Z0-9][-a-zA-Z0-9.]*(:[0-9]+)?/)?[a-z0-9]+([-._]+[a-z0-9]+)*(/[a-z0-9]+([-._]+[a-z0-9]+)*)*"
    "(:[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(@sha256:[a-f0-9]{64})?$"
)
_REGISTRY: Final = (
    "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]([-._a-z0-9]*[a-z0-9])?)*$"
)
_HOSTING: Final = "^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
_ENV_NAME: Final = "^[A-Za-z_][A-Za-z0-9_]*$"
_INSTANCE: Final = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
_OBJECT_NAME: Final = rf"^{_LABEL}([.]{_LABEL})*$"
_QUANTITY: Final = (
    r"^[+]?([0-9]+([.][0-9]*)?|[.][0-9]+)(([KMGTPE]i)|[numkMGTPE]|([eE][-+]?[0-9]+))?$"
)
_VARIABLE: Final = r"^[A-Za-z_][A-Za-z0-9_]*([.][A-Za-z0-9_-]+)*$"

ObjectName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=_OBJECT_NAME,
        json_schema_extra=matches(
            _OBJECT_NAME,
            "the name of an object in the cluster: lower-case letters, digits, '-' and '.', such as acme-tls",
        ),
    ),
]
SecretKey = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=_KEY,
        json_schema_extra=matches(
            _KEY,
            "the key inside the Secret: letters, digits, '-', '_' and '.', such as password; not the secret value itself",
        ),
    ),
]
IPv4 = Annotated[
    str,
    Field(
        max_length=253,
        json_schema_extra=cel(
            "isIP(self) && ip(self).family() == 4",
            "an IPv4 address such as 203.0.113.10 is needed here: the platform's DNS answers with it; "
            "a host name or an IPv6 address cannot stand in an A record",
        ),
    ),
]
Quantity = Annotated[
    str | int,
    Field(
        json_schema_extra={
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "maxLength": 32,
            **cel(
                f"type(self) == string ? self.matches('{_QUANTITY}') : self >= 0",
                "a quantity such as 10Gi, 500m or 2 is needed here, not below zero",
            ),
        }
    ),
]
StringMap = Annotated[
    dict[str, Annotated[str, Field(max_length=1024)]],
    Field(max_length=64, json_schema_extra={"x-kubernetes-map-type": "granular"}),
]


def _empty_for_null(value: Any) -> Any:
    """Server-side apply leaves null where it has removed the last entry of a map: ``reg-slave: {}`` is still wanted."""
    return (
        {key: {} if each is None else each for key, each in value.items()}
        if isinstance(value, dict)
        else value
    )


class Model(BaseModel):
    """Frozen, camelCase outside; unknown fields are ignored (the API server prunes or rejects them)."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, extra="ignore"
    )

    @model_validator(mode="before")
    @classmethod
    def _left_out_for_null(cls, value: Any) -> Any:
        """A field that is null is as one that is left out."""
        return (
            {key: each for key, each in value.items() if each is not None}
            if isinstance(value, dict)
            else value
        )


class Generate(Model):
    """32 characters [a-z0-9] are made once, and kept until the rotation is counted up."""

    rotation: Annotated[int, Field(ge=0, le=1_000_000)] | None = Field(
        None,
        description="Count this up to have a new value made, which is rolled to everything that uses it; 0 when left out.",
    )


class SecretKeyRef(Model):
    """A key of a Secret in the platform's own namespace."""

    name: ObjectName = Field(description="Name of the Secret, in the namespace of this platform.")
    key: SecretKey = Field(description="Key within the Secret whose value is taken.")


class SecretSource(Model):
    """Where a secret value comes from: exactly one of the fields."""

    generate: Generate | None = Field(
        None,
        description="Make a value once (32 characters a-z, 0-9) and keep it in a Secret of the platform; "
        "this is what every secret variable gets that is not named here.",
    )
    secret_key_ref: SecretKeyRef | None = Field(
        None,
        description="Take the value from a key of a Secret. It is read as JSON where the variable is not a string. "
        "A change of the Secret rolls what uses it, and nothing else.",
    )

    model_config = ConfigDict(
        json_schema_extra=cel(
            "has(self.generate) != has(self.secretKeyRef)",
            "say where the value comes from, in one way: either generate: {} or secretKeyRef: {name: …, key: …}",
        )
    )


class ConfigMapKeyRef(Model):
    """A key of a ConfigMap in the platform's own namespace."""

    name: ObjectName = Field(
        description="Name of the ConfigMap, in the namespace of this platform."
    )
    key: SecretKey = Field(description="Key within the ConfigMap (binaryData or data).")


class Archive(Model):
    """Where a received archive (.tgz) is kept: exactly one of the fields."""

    config_map_key_ref: ConfigMapKeyRef | None = Field(
        None,
        description="A key of a ConfigMap's binaryData: kubectl create configmap NAME --from-file=KEY=archive.tgz.",
    )
    secret_key_ref: SecretKeyRef | None = Field(
        None,
        description="A key of a Secret, for an archive that holds secrets: a leader's folder as it was filled in.",
    )

    model_config = ConfigDict(
        json_schema_extra=cel(
            "has(self.configMapKeyRef) != has(self.secretKeyRef)",
            "say where the archive is, in one way: either configMapKeyRef: {name: …, key: …} or secretKeyRef: {name: …, key: …}",
        )
    )


class TemplateItem(Model):
    """One file of a role."""

    key: SecretKey = Field(description="Key within the ConfigMap.")
    path: Annotated[
        str,
        Field(
            min_length=1,
            max_length=200,
            json_schema_extra=cel(
                "!self.matches('(^|/)[.]{0,2}(/|$)')",
                "a path is relative to the role's folder, such as pryv.yml or core/conf/core.yml: no / in front, no . or .. in it",
            ),
        ),
    ] = Field(description="Path of the file in the role's folder, such as core/conf/core.yml.")


class ConfigMapRef(Model):
    """A ConfigMap in the platform's own namespace."""

    name: ObjectName = Field(
        description="Name of the ConfigMap, in the namespace of this platform."
    )


class TemplateFiles(Model):
    """Template files of a role, from the keys of a ConfigMap."""

    role: Literal["reg-master", "core", "static", "reg-slave", "singlenode"] = Field(
        description="The role they belong to."
    )
    config_map_ref: ConfigMapRef = Field(description="The ConfigMap that holds them.")
    items: Annotated[
        list[TemplateItem], Field(min_length=1, max_length=64, json_schema_extra=list_map("path"))
    ] = Field(description="The files: which key is which path.")


class Templates(Model):
    """Templates of one's own instead of a built-in release: exactly one of the fields."""

    archive: Archive | None = Field(
        None,
        description="An archive as Pryv hands it out: of reg-master, of a single node, of a whole cluster, or just the leader's folder.",
    )
    files: (
        Annotated[list[TemplateFiles], Field(min_length=1, max_length=16, json_schema_extra=ATOMIC)]
        | None
    ) = Field(
        None,
        description="Files from ConfigMaps, per role. Variables are those of the newest built-in release.",
    )

    model_config = ConfigDict(
        json_schema_extra=cel(
            "has(self.archive) != has(self.files)",
            "say where the templates are, in one way: either archive or files",
        )
    )


class IssuerRef(Model):
    """A cert-manager issuer."""

    name: ObjectName = Field(description="Name of the issuer.")
    kind: Annotated[str, Field(max_length=63)] | None = Field(
        None, description="Kind of the issuer; Issuer when left out."
    )
    group: Annotated[str, Field(max_length=253)] | None = Field(
        None, description="API group of the issuer; cert-manager.io when left out."
    )


class Tls(Model):
    """The certificate of DOMAIN and *.DOMAIN."""

    secret_name: ObjectName | None = Field(
        None,
        description="A Secret of type kubernetes.io/tls with the certificate and its chain for DOMAIN and *.DOMAIN. "
        "Until it is there the reverse proxies wait; everything else starts.",
    )
    issuer_ref: IssuerRef | None = Field(
        None,
        description="A cert-manager issuer that is asked for a certificate of DOMAIN and *.DOMAIN.",
    )
    ca_bundle: Annotated[str, Field(max_length=65536)] | None = Field(
        None,
        description="Certificates (PEM) of the authority that signed the certificate, when it is not a public one: "
        "the platform's own components are made to trust it.",
    )

    model_config = ConfigDict(
        json_schema_extra=together(
            cel(
                "!(has(self.secretName) && has(self.issuerRef))",
                "give either tls.secretName (a certificate you bring) or tls.issuerRef (cert-manager makes one), not both; "
                "without either the platform makes a private authority of its own",
            ),
            cel(
                "!has(self.caBundle) || (self.caBundle.contains('-----BEGIN CERTIFICATE-----') && !self.caBundle.contains('PRIVATE KEY'))",
                "caBundle holds one or more certificates in PEM form (-----BEGIN CERTIFICATE-----), and never a private key",
                at="caBundle",
            ),
        )
    )


class Service(Model):
    """How a role is reached from outside the cluster."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] | None = Field(
        None,
        description="Type of the Service that publishes the role; ClusterIP when left out, "
        "which is reachable from inside the cluster only.",
    )
    annotations: StringMap | None = Field(
        None, description="Annotations of the Service, for the load balancer's controller."
    )
    load_balancer_class: Annotated[str, Field(min_length=1, max_length=253)] | None = Field(
        None, description="Class of the load balancer (type LoadBalancer)."
    )
    load_balancer_source_ranges: (
        Annotated[
            list[Annotated[str, Field(max_length=64)]],
            Field(max_length=64, json_schema_extra={"x-kubernetes-list-type": "set"}),
        ]
        | None
    ) = Field(
        None,
        description="Client networks (CIDR) that may reach the load balancer; everyone when left out.",
    )
    external_traffic_policy: Literal["Cluster", "Local"] | None = Field(
        None,
        description="Local keeps the clients' addresses; Cluster spreads evenly. For NodePort and LoadBalancer.",
    )
    external_ips: (
        Annotated[list[IPv4], Field(min_length=1, max_length=8, json_schema_extra=SET)] | None
    ) = Field(
        None,
        alias="externalIPs",
        description="Addresses of nodes that the Service answers at; the first one is the role's address unless address says another.",
    )
    mixed_protocols: bool | None = Field(
        None,
        description="Publish TCP and UDP ports in one Service; many load balancers refuse that, so false when left out.",
    )

    model_config = ConfigDict(
        json_schema_extra=cel(
            "(has(self.type) && self.type == 'LoadBalancer') || (!has(self.loadBalancerClass) && "
            "(!has(self.loadBalancerSourceRanges) || dyn(self.loadBalancerSourceRanges) == null))",
            "loadBalancerClass and loadBalancerSourceRanges need type: LoadBalancer",
            "!has(self.externalTrafficPolicy) || (has(self.type) && self.type != 'ClusterIP')",
            "externalTrafficPolicy needs type: LoadBalancer or NodePort",
            "!has(self.loadBalancerSourceRanges) || dyn(self.loadBalancerSourceRanges) == null || "
            "self.loadBalancerSourceRanges.all(r, isCIDR(r))",
            "loadBalancerSourceRanges are networks such as 198.51.100.0/24",
        )
    )


class Storage(Model):
    """Where a component keeps its data."""

    size: Quantity | None = Field(
        None,
        description="Size of the claim. It can grow later where the storage class allows it, and never shrink.",
    )
    storage_class_name: Annotated[str, Field(max_length=253)] | None = Field(
        None,
        description="Storage class of the claim; the cluster's default when left out. Fixed once the claim exists.",
    )
    existing_claim: Annotated[ObjectName, Field(max_length=63)] | None = Field(
        None,
        description="A claim you made yourself, used instead of one of the operator's. The operator never changes or deletes it.",
    )

    model_config = ConfigDict(
        json_schema_extra=cel(
            "!has(self.existingClaim) || (!has(self.size) && !has(self.storageClassName))",
            "existingClaim is taken as it is: leave size and storageClassName out beside it",
        )
    )


class EnvVar(Model):
    """An environment variable of a component's container."""

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=128,
            pattern=_ENV_NAME,
            json_schema_extra=matches(
                _ENV_NAME,
                "an environment variable's name: letters, digits and '_', not beginning with a digit",
            ),
        ),
    ] = Field(description="Name of the variable.")
    value: Annotated[str, Field(max_length=4096)] = Field(
        description="Its value. No secrets here: they belong into spec.secrets."
    )


class Resources(Model):
    """Compute resources of a container, as in a pod."""

    requests: Annotated[dict[str, Quantity], Field(max_length=16)] | None = Field(
        None, description="What is set aside for the container."
    )
    limits: Annotated[dict[str, Quantity], Field(max_length=16)] | None = Field(
        None, description="What the container may use at most."
    )


class Component(Model):
    """Overrides for one component (a service of the role's compose file)."""

    image: (
        Annotated[
            str,
            Field(
                min_length=1,
                max_length=512,
                pattern=_IMAGE,
                json_schema_extra=matches(
                    _IMAGE,
                    "an image such as registry.example.com/pryv/core:1.9.2, or one with a digest: …/core@sha256:…",
                ),
            ),
        ]
        | None
    ) = Field(
        None, description="Image to run instead of the release's. imageRegistry does not change it."
    )
    replicas: Annotated[int, Field(ge=0, le=32)] | None = Field(
        None,
        description="Number of pods; 1 when left out. Only for components without state: add core instances to scale core.",
    )
    env: (
        Annotated[list[EnvVar], Field(max_length=64, json_schema_extra=list_map("name"))] | None
    ) = Field(
        None,
        description="Environment variables added to the container's, or replacing those of the same name.",
    )
    resources: Resources | None = Field(None, description="Compute resources of the container.")
    storage: Storage | None = Field(
        None, description="Where the component keeps its data. Only for components with state."
    )
    node_selector: StringMap | None = Field(
        None, description="Labels a node must have to run the component's pods."
    )
    tolerations: (
        Annotated[
            list[dict[str, Any]],
            Field(max_length=32, json_schema_extra=preserve_unknown(items=True)),
        ]
        | None
    ) = Field(None, description="Taints the pods tolerate, as in a pod's spec.")
    affinity: Annotated[dict[str, Any], Field(json_schema_extra=preserve_unknown())] | None = Field(
        None,
        description="Affinity, as in a pod's spec. What the component itself needs (a shared claim) is added to it.",
    )
    topology_spread_constraints: (
        Annotated[
            list[dict[str, Any]],
            Field(max_length=16, json_schema_extra=preserve_unknown(items=True)),
        ]
        | None
    ) = Field(None, description="How pods spread over nodes and zones, as in a pod's spec.")
    priority_class_name: ObjectName | None = Field(None, description="Priority class of the pods.")
    annotations: StringMap | None = Field(None, description="Annotations added to the pods.")
    labels: StringMap | None = Field(
        None,
        description="Labels added to the pods; those of the operator (pryv.io/…) cannot be changed.",
    )


Components = Annotated[
    dict[str, Component],
    Field(
        max_length=24,
        json_schema_extra=cel(
            "self.all(c, size(c) <= 63 && c.matches('^[a-z]([-_a-z0-9]*[a-z0-9])?$'))",
            "components are named as in the role's compose file, such as core, mongodb or reverse_proxy",
        ),
    ),
    BeforeValidator(_empty_for_null),
]


class ExternalSlave(Model):
    """A reg-slave outside of the cluster."""

    address: IPv4 | None = Field(
        None,
        description="The address clients reach the slave at: the platform's DNS then names it as reg2 and dns2, a second name server.",
    )
    load_balancer_source_ranges: Annotated[
        list[Annotated[str, Field(max_length=64)]],
        Field(min_length=1, max_length=16, json_schema_extra=SET),
    ] = Field(
        description="Networks (CIDR) that the slave's redis connects from, such as 198.51.100.7/32. Redis has no password: "
        "everybody in them can read and change all the register's data."
    )
    annotations: StringMap | None = Field(
        None,
        description="Annotations of the Service that publishes redis, such as those that make its load balancer a private one.",
    )
    load_balancer_class: Annotated[str, Field(min_length=1, max_length=253)] | None = Field(
        None, description="Class of the load balancer."
    )

    model_config = ConfigDict(
        json_schema_extra=cel(
            "self.loadBalancerSourceRanges.all(r, isCIDR(r))",
            "loadBalancerSourceRanges are networks such as 198.51.100.7/32",
            "self.loadBalancerSourceRanges.all(r, !isCIDR(r) || cidr(r).prefixLength() >= (cidr(r).ip().family() == 4 ? 8 : 32))",
            "loadBalancerSourceRanges must name the slave's own networks, /8 or smaller (IPv6: /32): redis has no password",
        )
    )


class RoleTls(Model):
    """A certificate of a role's own."""

    secret_name: ObjectName = Field(
        description="A Secret of type kubernetes.io/tls with the certificate this role's reverse proxies serve, instead of the platform's."
    )


class Role(Model):
    """A role of the platform that has one instance."""

    address: IPv4 | None = Field(
        None,
        description="The address clients reach this role at, when it is not the Service's own (a router, an elastic IP).",
    )
    service: Service | None = Field(
        None, description="How the role is reached from outside the cluster."
    )
    tls: RoleTls | None = Field(
        None, description="A certificate of the role's own, where it is not the platform's."
    )
    components: Components | None = Field(
        None, description="Overrides per component, by its name in the role's compose file."
    )


class RegMasterRole(Role):
    """The register."""

    external_slave: ExternalSlave | None = Field(
        None,
        description="A reg-slave outside of the cluster: publishes redis (TCP 6379) by a load balancer of its own, to the slave's networks "
        "only. For a slave in the cluster say roles.reg-slave instead.",
    )


class CoreInstance(Model):
    """One core: the data of its users lives here."""

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=30,
            pattern=_INSTANCE,
            json_schema_extra=matches(
                _INSTANCE,
                "a host name under the domain: lower-case letters, digits and '-', beginning with a letter, such as co1",
            ),
        ),
    ] = Field(
        description="Name of the core, and its host name under the domain (co1 → co1.DOMAIN). For ever: it names the data."
    )
    hosting: (
        Annotated[
            str,
            Field(
                min_length=1,
                max_length=63,
                pattern=_HOSTING,
                json_schema_extra=matches(
                    _HOSTING,
                    "the name of a hosting: letters, digits, '-', '_' and '.', such as geneva",
                ),
            ),
        ]
        | None
    ) = Field(
        None,
        description="Hosting the core belongs to, as users choose it when they register; hosting1 when left out.",
    )
    address: IPv4 | None = Field(
        None,
        description="The address clients reach this core at, when it is not the Service's own (a router, an elastic IP).",
    )


class CoreRole(Model):
    """The cores of the platform."""

    instances: (
        Annotated[
            list[CoreInstance],
            Field(
                min_length=1,
                max_length=32,
                json_schema_extra=list_map("name")
                | cel(
                    "self.all(a, self.exists_one(b, b.name == a.name))",
                    "every core instance needs a name of its own: rename one of those that share it",
                    "self.all(a, !(a.name in ["
                    + ", ".join(f"'{host}'" for host in names.RESERVED_HOSTS)
                    + "]))",
                    "a core instance cannot have a name that the platform uses for itself ("
                    + ", ".join(names.RESERVED_HOSTS)
                    + "): co1, co2, … are usual",
                    "self.all(a, !a.name.startsWith('reg-') && !a.name.startsWith('sw-') && "
                    "!self.exists(b, a.name.startsWith(b.name + '-')))",
                    "a core instance's name cannot be reg-…, sw-… or that of another core followed by '-': "
                    "its objects could not be told apart from the other's",
                ),
            ),
        ]
        | None
    ) = Field(
        None,
        description="The cores; one named co1 when left out. Taking one out of the list keeps its claims.",
    )
    service: Service | None = Field(
        None, description="How each core is reached from outside the cluster."
    )
    tls: RoleTls | None = Field(
        None, description="A certificate of the role's own, where it is not the platform's."
    )
    components: Components | None = Field(
        None, description="Overrides per component, by its name in the role's compose file."
    )


class Roles(Model):
    """The roles (machines, once) of the platform."""

    reg_master: RegMasterRole | None = Field(
        None,
        alias="reg-master",
        description="The register: accounts, DNS, service information, e-mail.",
    )
    core: CoreRole | None = Field(None, description="The cores, which hold the users' data.")
    static: Role | None = Field(
        None, description="The web pages for signing in and consent (sw.DOMAIN)."
    )
    reg_slave: Role | None = Field(
        None,
        alias="reg-slave",
        description="A second DNS with a copy of the register's data. Present means wanted: reg-slave: {}.",
    )
    singlenode: Role | None = Field(
        None,
        description="Everything in one role, as single-node installations have it. Present means wanted; it excludes the other roles.",
    )

    model_config = ConfigDict(
        json_schema_extra=cel(
            "!has(self.singlenode) || !(has(self.core) || has(self.static) || has(self.reg__dash__master) || has(self.reg__dash__slave))",
            "roles.singlenode is a whole platform in one role: leave the other roles out beside it",
            "!has(self.reg__dash__slave) || !has(self.reg__dash__master) || !has(self.reg__dash__master.externalSlave)",
            "there is one reg-slave: either in the cluster (roles.reg-slave) or outside of it (roles.reg-master.externalSlave)",
        )
    )

    @model_validator(mode="before")
    @classmethod
    def _present_means_wanted(cls, value: Any) -> Any:
        return _empty_for_null(value)


class Rollout(Model):
    """How changes are brought to what runs."""

    paused: bool | None = Field(
        None,
        description="Apply nothing, not even what was changed by hand: only say what would be applied; false when left out.",
    )
    on_failure: Literal["Hold", "Rollback"] | None = Field(
        None,
        description="What follows when a component does not become ready in time. Hold (when left out): stop there, everything after it "
        "keeps what it runs. Rollback: put back what the last good revision ran, on all that was touched; components that migrate their "
        "data when they start are never put back to another image, then it holds.",
    )
    progress_deadline_seconds: Annotated[int, Field(ge=1, le=604_800)] | None = Field(
        None,
        description="How long a component may take to become ready before the rollout counts as failed; 600 when left out.",
    )
    history_limit: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None,
        description="How many revisions are kept, besides the newest and the last good one; 10 when left out.",
    )


class PullSecret(Model):
    """A Secret of type kubernetes.io/dockerconfigjson in the platform's namespace."""

    name: ObjectName = Field(description="Name of the Secret.")


class PryvPlatformSpec(Model):
    """What a platform should be."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            "!has(self.variables) || dyn(self.variables) == null || !has(self.variables.DOMAIN) || self.variables.DOMAIN == self.domain",
            "variables.DOMAIN is spec.domain: leave it out, or say the same",
            at="variables",
        )
    )

    domain: Annotated[
        str,
        Field(
            min_length=3,
            max_length=200,
            pattern=_DOMAIN,
            json_schema_extra=matches(
                _DOMAIN,
                "domain is the platform's DNS name in lower case, such as pryv.example.com: "
                "two labels or more of 63 characters at most, no https://, no port, no dot at the end, not an address",
            ),
        ),
    ] = Field(
        description="The platform's DNS name, the DOMAIN variable: users' data is served at USERNAME.DOMAIN."
    )
    release: Literal["1.9.2"] | None = Field(
        None, description="The built-in Pryv.io release to run; the newest when left out."
    )
    templates: Templates | None = Field(
        None,
        description="Templates of one's own instead of a built-in release's. They take the place of release.",
    )
    variables: Annotated[
        dict[str, Any],
        Field(max_length=512, json_schema_extra=preserve_unknown()),
    ] = Field(
        default_factory=dict,
        description="Variables of the release by name, with any JSON value; the names of 2019 are understood too. "
        "Secrets are refused here: they belong into spec.secrets.",
    )
    secrets: Annotated[
        dict[str, SecretSource],
        Field(
            max_length=64,
            json_schema_extra=cel(
                f"self.all(k, size(k) <= 200 && k.matches('{_VARIABLE}'))",
                "secrets are named after a variable (REGISTER_ADMIN_KEY) or a path into one (EMAIL_SMTP_SETTINGS.auth.pass)",
            ),
        ),
    ] = Field(
        default_factory=dict,
        description="Secret values by variable, or by a dotted path into one. They stay in Secrets: "
        "what they end up in is a Secret too. Whatever is not named here is generated.",
    )
    tls: Tls | None = Field(
        None,
        description="The certificate of DOMAIN and *.DOMAIN. When left out the operator makes a private authority, "
        "which clients outside do not trust.",
    )
    image_registry: (
        Annotated[
            str,
            Field(
                min_length=1,
                max_length=253,
                pattern=_REGISTRY,
                json_schema_extra=matches(
                    _REGISTRY,
                    "a registry, with or without a path in it, such as registry.example.com/pryv: no https://, no tag",
                ),
            ),
        ]
        | None
    ) = Field(
        None,
        description="Registry that all images of the release are taken from instead of their own, such as registry.example.com/pryv.",
    )
    image_pull_secrets: (
        Annotated[list[PullSecret], Field(max_length=8, json_schema_extra=list_map("name"))] | None
    ) = Field(None, description="Secrets with the login for the image registry, used by every pod.")
    network_policy: bool | None = Field(
        None,
        description="Whether stores and unpublished ports accept only those who need them; true when left out. "
        "Stores have no password: turn this off only where something else isolates them.",
    )
    deletion_policy: Literal["Retain", "Delete"] | None = Field(
        None,
        description="What happens to claims and generated secrets when this resource is deleted; Retain when left out: "
        "applying it again finds them.",
    )
    rollout: Rollout | None = Field(None, description="How changes are brought to what runs.")
    stopped: bool | None = Field(
        None,
        description="Run nothing and keep all data: every component is scaled to zero; false when left out.",
    )
    roles: Roles | None = Field(
        None,
        description="The roles of the platform. When left out: reg-master, core with one instance, and static.",
    )


_AROUND_A_SECRET: Final = {
    "type": "object",
    "description": "Any JSON object; the secret in it belongs into spec.secrets.",
    **preserve_unknown(),
}
_SECRET: Final = {
    "type": "string",
    "description": f"A secret, which belongs into spec.secrets; only the word {secret_variables.GENERATE} may stand here.",
    "maxLength": 4096,
}
_DOMAIN_AGAIN: Final = {
    "type": "string",
    "description": "What spec.domain says; nobody needs to repeat it.",
    "maxLength": 200,
}


def variables_schema() -> Schema:
    """What the variables' schema says of secrets: each may only be the word SECRET, or empty where that means none; and of DOMAIN."""
    root: Schema = {
        "properties": {variable: dict(_SECRET) for variable in secret_variables.SECRET_VARIABLES}
        | {"DOMAIN": dict(_DOMAIN_AGAIN)}
    }
    root |= together(
        *(_only_generate(variable) for variable in sorted(secret_variables.SECRET_VARIABLES))
    )
    for variable, paths in secret_variables.SECRET_PATHS.items():
        for path in paths:
            node = root
            *above, last = (variable, *path.split("."))
            for step in above:
                node = node.setdefault("properties", {}).setdefault(step, dict(_AROUND_A_SECRET))
            node.setdefault("properties", {})[last] = dict(_SECRET)
            node[RULES] = [
                *node.get(RULES, []),
                *_only_generate(f"{variable}.{path}", or_empty=True)[RULES],
            ]
    root["properties"] = dict(sorted(root["properties"].items()))
    return root


def _only_generate(path: str, *, or_empty: bool = False) -> Schema:
    """The rule that a secret is not written out, for the object around it."""
    field = path.rsplit(".", 1)[-1]
    admitted = ["", secret_variables.GENERATE] if or_empty else [secret_variables.GENERATE]
    message = (
        f"{path} is a secret and must not be written out here: put the value into a Secret and name it under "
        f"spec.secrets ({path}: {{secretKeyRef: {{name: …, key: …}}}})"
    )
    if not or_empty:
        message += (
            f", or leave it out ({secret_variables.GENERATE} means the same): then one is generated"
        )
    return cel(f"!has(self.{field}) || self.{field} in {admitted}", message, at=field)
