"""The platform's private authority and certificate: issued where they are missing or expiring."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from pryv_operator.api import names
from pryv_operator.api.findings import Advisory, Announcement, Finding, Waiting
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.reasons import Reason
from pryv_operator.desired import certificates
from pryv_operator.kube.client import METADATA, KubeClient
from pryv_operator.kube.resources import SECRETS
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.pki import authority
from pryv_operator.pki.authority import IssuancePlan, IssuedCertificate
from pryv_operator.pki.certificate import Certificate
from pryv_operator.reconcile.create_once import PLACEHOLDER, SecretContent, desired_secret
from pryv_operator.reconcile.secret_data import decoded_text
from pryv_operator.reconcile.snapshot import Snapshot, secrets_for

TLS_TYPE: Final = "kubernetes.io/tls"
#: At most an authority and a certificate are missing.
_MISSING: Final = 2


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
    #: Name of the Secret of the certificate; empty: not known.
    secret: str = ""
    #: Secrets to delete once nothing uses them.
    obsolete: tuple[Object, ...] = field(default=(), repr=False)
    #: Name of the authority's Secret that issues the next certificate once it is trusted.
    successor: str = ""


async def required_authority(client: KubeClient, snapshot: Snapshot) -> tuple[SecretContent, ...]:
    """The authority and the certificate that have to be issued: none in most cases.

    While the rollout is paused nothing is issued.
    """
    issued: list[SecretContent] = []
    live = snapshot.live
    while not snapshot.platform.paused and len(issued) < _MISSING:
        plan = _plan(snapshot, live)
        if plan.complete:
            break
        issued.append(_issue(snapshot, plan, await _free_number(client, snapshot, plan)))
        live = live.with_objects([desired_secret(snapshot.platform, issued[-1])])
    return tuple(issued)


async def _free_number(client: KubeClient, snapshot: Snapshot, plan: IssuancePlan) -> int:
    """The number of the next authority or certificate.

    About a foreign Secret with the name of the first one the user decides. Later ones are skipped,
    so that nobody can prevent a renewal.
    """
    platform, step = snapshot.platform, 1
    of_authority = plan.next_authority is not None
    number = plan.next_authority or plan.next_certificate or 1
    while number > 1:
        name = _name(platform, number, of_authority=of_authority)
        if await client.get(SECRETS, platform.namespace, name, accept=METADATA) is None:
            break
        number, step = number + step, 2 * step
    return number


def read_authority(snapshot: Snapshot, live: LiveObjects) -> EnsuredAuthority:
    """The private authority and its certificate. ``live``: with what was created."""
    plan = _plan(snapshot, live)
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
        secret=plan.current.name if plan.current else "",
        obsolete=tuple(item for name in plan.obsolete if (item := live.get("Secret", name))),
        successor=plan.successor,
    )


def _plan(snapshot: Snapshot, live: LiveObjects) -> IssuancePlan:
    platform = snapshot.platform
    return authority.plan_issuance(
        _issued(platform, live, "authority"),
        _issued(platform, live, "certificate"),
        certificates.dns_names(platform.spec.domain),
        snapshot.status.trusted_authorities,
        snapshot.now,
        highest_numbers=(
            _highest_number(platform, live, "authority"),
            _highest_number(platform, live, "certificate"),
        ),
    )


def _name(platform: Platform, number: int, *, of_authority: bool) -> str:
    if of_authority:
        return names.private_authority(platform.name, number)
    return names.private_certificate(platform.name, number)


def _issue(snapshot: Snapshot, plan: IssuancePlan, number: int) -> SecretContent:
    """The next authority or certificate of a plan, with a new key."""
    platform, now = snapshot.platform, snapshot.now
    name = _name(platform, number, of_authority=plan.next_authority is not None)
    if plan.next_authority is not None:
        name_ends = f"{platform.namespace}/{platform.name}"
        pair = authority.issue_authority(name_ends, platform.spec.domain, now)
        purpose = "authority"
    else:
        assert plan.issuer is not None  # noqa: S101 - set with next_certificate
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
    issued = _issued(snapshot.platform, live, "certificate")
    newest = max(issued, key=lambda each: each.number, default=None)
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


def _highest_number(platform: Platform, live: LiveObjects, purpose: str) -> int:
    """The highest number in use, unreadable Secrets included: a number is never used twice."""
    found = secrets_for(platform, live, purpose)
    return max((int(item["metadata"]["name"].rpartition("-")[2]) for item in found), default=0)


def _issued(platform: Platform, live: LiveObjects, purpose: str) -> list[IssuedCertificate]:
    found = (
        authority.parse_issued(
            item["metadata"]["name"],
            decoded_text(item, "tls.crt") or "",
            decoded_text(item, "tls.key") or "",
        )
        for item in secrets_for(platform, live, purpose)
    )
    return [each for each in found if each is not None]
