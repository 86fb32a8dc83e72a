"""Everything that the desired state depends on: no clock, no randomness, no client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pryv_operator.api.findings import Advisory, Finding, Problem, Waiting
from pryv_operator.api.platform import Platform
from pryv_operator.api.privileges import Privilege
from pryv_operator.objects.pvcs import LivePVC
from pryv_operator.objects.services import LiveLoadBalancer
from pryv_operator.pki.certificate import Certificate
from pryv_operator.templates.bundle import Bundle
from pryv_operator.values.addresses import Address


@dataclass(frozen=True)
class Inputs:
    """What a platform's objects are built from."""

    platform: Platform
    #: The templates, and the variables they declare.
    bundle: Bundle
    #: Variable, or dotted path into one → text of its Secret, referenced or generated.
    secrets: Mapping[str, str] = field(repr=False)
    hash_key: bytes = field(repr=False)
    #: Service → its last known addresses.
    addresses: Mapping[str, Address]
    #: None: reverse proxies are blocked, ``certificate_problem`` holds the reason.
    certificate: Certificate | None
    certificate_problem: Finding | None = None
    #: Role → its own certificate, or why it is not available, for roles that have one.
    role_certificates: Mapping[str, Certificate | Finding] = field(default_factory=dict)
    #: Authorities (PEM) that the platform's components trust besides the public ones.
    authorities: str = ""
    #: Content-addressed Secrets of the platform in the cluster: name → data (base64).
    owned_secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    #: PVCs of the platform in the cluster, by name.
    pvcs: Mapping[str, LivePVC] = field(default_factory=dict)
    #: Services of type LoadBalancer of the platform in the cluster, by name.
    load_balancers: Mapping[str, LiveLoadBalancer] = field(default_factory=dict)
    #: Workload → the restart that its pods were last started for.
    restarts: Mapping[str, str] = field(default_factory=dict)
    #: The annotation ``pryv.io/restart`` of the platform: ``core@2``.
    restart: str = ""
    #: Public hosts that templates pass requests to and that the cluster cannot resolve.
    unresolved: frozenset[str] = frozenset()
    #: IP address of the cluster's DNS server; nginx resolves names outside the platform there.
    cluster_dns: str = ""
    #: What the spec may use beyond its namespace, as the operator's administrator decides.
    allowed: frozenset[Privilege] = frozenset()
    #: What was found while the inputs were read.
    problems: tuple[Problem, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    warnings: tuple[Advisory, ...] = ()

    def certificate_of(self, role: str) -> Certificate | Finding | None:
        """The certificate that a role's reverse proxies serve, or why it is not available."""
        return self.role_certificates.get(role, self.certificate or self.certificate_problem)

    @property
    def cluster_ips(self) -> Mapping[str, str]:
        """Service → cluster IP, for Services that have one."""
        return {
            name: address.cluster_ip
            for name, address in self.addresses.items()
            if address.cluster_ip
        }
