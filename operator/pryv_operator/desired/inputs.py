"""All that the desired state of a platform depends on. No clock, no randomness, no client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pryv_operator.api.findings import Advisory, Finding, Problem
from pryv_operator.api.platform import Platform
from pryv_operator.objects.pvcs import LivePVC
from pryv_operator.pki.certificate import Certificate
from pryv_operator.templates.bundle import Bundle
from pryv_operator.values.addresses import Address


@dataclass(frozen=True)
class Inputs:
    """Everything a platform's objects are made from."""

    platform: Platform
    #: The templates, and the variables they ask for.
    bundle: Bundle
    #: Variable, or dotted path into one → the text from its Secret (referenced or generated).
    secrets: Mapping[str, str] = field(repr=False)
    hash_key: bytes = field(repr=False)
    #: Service → its addresses, as last known.
    addresses: Mapping[str, Address]
    #: Absent: the reverse proxies wait, and ``certificate_problem`` says what for.
    certificate: Certificate | None
    certificate_problem: Finding | None = None
    #: Roles with a certificate of their own: that, or what it waits for.
    role_certificates: Mapping[str, Certificate | Finding] = field(default_factory=dict)
    #: Authorities (PEM) that the platform's own components are made to trust.
    authorities: str = ""
    #: Content-addressed Secrets of the platform: name → data (base64).
    owned_secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    #: Claims that are there, by name.
    pvcs: Mapping[str, LivePVC] = field(default_factory=dict)
    #: Workload → the restart it was last made for.
    restarts: Mapping[str, str] = field(default_factory=dict)
    #: The restart that is asked for: targets, and what tells it from the one before (``core@2``).
    restart: str = ""
    #: Public hosts that templates name as upstreams, and that cannot be resolved in this cluster.
    unresolved: frozenset[str] = frozenset()
    #: The cluster's DNS server, which nginx asks for names outside the platform.
    cluster_dns: str = ""
    #: What was found wrong while the inputs were gathered.
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Advisory, ...] = ()

    def certificate_of(self, role: str) -> Certificate | Finding | None:
        """The certificate that a role's reverse proxies serve, or what they wait for."""
        return self.role_certificates.get(role, self.certificate or self.certificate_problem)
