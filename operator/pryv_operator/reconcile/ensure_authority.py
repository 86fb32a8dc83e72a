"""The platform's private authority and certificate: issued where they are missing or expiring."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from pryv_operator.api import names
from pryv_operator.api.findings import Advisory, Announcement, Finding, Waiting
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.reasons import Reason
from pryv_operator.desired import certificates
from pryv_operator.kube.client import KubeClient
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.pki import authority
from pryv_operator.pki.authority import IssuancePlan, IssuedCertificate
from pryv_operator.pki.certificate import Certificate
from pryv_operator.reconcile.create_once import PLACEHOLDER, SecretContent, ensure_secret
from pryv_operator.reconcile.secret_data import decoded_text
from pryv_operator.reconcile.snapshot import Snapshot, secrets_for

TLS_TYPE: Final = "kubernetes.io/tls"
#: An authority, a certificate, and a last plan that needs neither.
_ROUNDS: Final = 3


@dataclass(frozen=True)
class EnsuredAuthority:
    """The certificate to serve, and what trusts it."""

    certificate: Certificate | None = field(repr=False)
    problem: Finding | None
    #: Trusted authorities (PEM).
    bundle: str
    #: Names of the Secrets of the trusted authorities.
    trusted: tuple[str, ...]
    warning: Advisory
    #: Secrets to delete once nothing uses them.
    obsolete: tuple[Object, ...] = field(default=(), repr=False)


async def ensure_authority(client: KubeClient, snapshot: Snapshot) -> EnsuredAuthority:
    """Read or issue the private authority and a certificate of it.

    While the rollout is paused nothing is issued.

    Raises:
        UnusableSecretError: a Secret cannot be created or used.
    """
    platform, live = snapshot.platform, snapshot.live
    for _ in range(_ROUNDS):
        plan = _plan(snapshot, live)
        if plan.complete or platform.paused:
            break
        live = live.with_objects(
            [await ensure_secret(client, snapshot, live, _issue(snapshot, plan))]
        )
    certificate = _current_certificate(snapshot, live, plan)
    problem = None
    if certificate is None:
        text = "the certificate of the private authority could not be read back yet"
        problem = Waiting(Reason.WAITING_FOR_CERTIFICATE, text)
    return EnsuredAuthority(
        certificate=certificate,
        problem=problem,
        bundle=plan.bundle,
        trusted=tuple(each.name for each in plan.trusted),
        warning=_warning(plan),
        obsolete=tuple(item for name in plan.obsolete if (item := live.get("Secret", name))),
    )


def _plan(snapshot: Snapshot, live: LiveObjects) -> IssuancePlan:
    return authority.plan_issuance(
        _issued(live, "authority"),
        _issued(live, "certificate"),
        certificates.dns_names(snapshot.platform.spec.domain),
        snapshot.status.trusted_authorities,
        snapshot.now,
        highest_numbers=(_highest_number(live, "authority"), _highest_number(live, "certificate")),
    )


def _issue(snapshot: Snapshot, plan: IssuancePlan) -> SecretContent:
    """The next authority or certificate of a plan, with a new key."""
    platform, now = snapshot.platform, snapshot.now
    if plan.next_authority is not None:
        name = names.private_authority(platform.name, plan.next_authority)
        name_ends = f"{platform.namespace}/{platform.name}"
        pair = authority.issue_authority(name_ends, platform.spec.domain, now)
        purpose = "authority"
    else:
        assert plan.issuer is not None  # noqa: S101 - set with next_certificate
        name = names.private_certificate(platform.name, plan.next_certificate or 1)
        dns_names = certificates.dns_names(platform.spec.domain)
        pair = authority.issue_certificate(plan.issuer, dns_names, now)
        purpose = "certificate"
    text = f'Secret "{name}": issued the platform\'s private {purpose}'
    return SecretContent(
        name,
        purpose,
        {"tls.crt": pair.chain, "tls.key": pair.key},
        type=TLS_TYPE,
        announcement=Announcement(Reason.CERTIFICATE_ISSUED, text),
    )


def _current_certificate(
    snapshot: Snapshot, live: LiveObjects, plan: IssuancePlan
) -> Certificate | None:
    """The certificate to serve; for a paused platform without one the newest, or a placeholder."""
    if plan.current:
        return Certificate(plan.current.pem, plan.current.key_pem)
    if not snapshot.platform.paused:
        return None
    newest = max(_issued(live, "certificate"), key=lambda each: each.number, default=None)
    if newest is None:
        return Certificate(PLACEHOLDER, PLACEHOLDER)
    return Certificate(newest.pem, newest.key_pem)


def _warning(plan: IssuancePlan) -> Advisory:
    where = f' (Secret "{plan.issuer.name}")' if plan.issuer else ""
    return Advisory(
        Reason.PRIVATE_CERTIFICATE,
        "spec.tls: no certificate is configured; "
        f"clients do not trust the private authority{where} that is used instead; "
        "set spec.tls.secretName or spec.tls.issuerRef",
    )


def _highest_number(live: LiveObjects, purpose: str) -> int:
    """The highest number in use, unreadable Secrets included: a number is never used twice."""
    suffixes = (item["metadata"]["name"].rsplit("-", 1)[-1] for item in secrets_for(live, purpose))
    return max((int(suffix) for suffix in suffixes if suffix.isdigit()), default=0)


def _issued(live: LiveObjects, purpose: str) -> list[IssuedCertificate]:
    found = (
        authority.parse_issued(
            item["metadata"]["name"],
            decoded_text(item, "tls.crt") or "",
            decoded_text(item, "tls.key") or "",
        )
        for item in secrets_for(live, purpose)
    )
    return [each for each in found if each is not None]
