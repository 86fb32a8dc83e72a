"""The inputs of the desired state, from what was read and what was ensured. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.findings import Advisory, Finding, Problem, Waiting
from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.reasons import Reason
from pryv_operator.api.spec import SecretKeyRef
from pryv_operator.desired import certificates
from pryv_operator.desired.inputs import Inputs
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.objects.pvcs import LivePVC
from pryv_operator.objects.services import LiveLoadBalancer
from pryv_operator.pki import certificate_checks
from pryv_operator.pki.certificate import Certificate
from pryv_operator.pki.pem import pem_text
from pryv_operator.reconcile.ensure_authority import TLS_TYPE, EnsuredAuthority
from pryv_operator.reconcile.ensure_secrets import EnsuredSecrets
from pryv_operator.reconcile.existing_pvcs import missing_pvcs
from pryv_operator.reconcile.reference_checks import check_references
from pryv_operator.reconcile.retention import has_other_controller
from pryv_operator.reconcile.secret_data import decoded_bytes, decoded_text
from pryv_operator.reconcile.service_addresses import recorded_addresses, service_addresses
from pryv_operator.reconcile.snapshot import Snapshot
from pryv_operator.rollout import revisions


def compute_inputs(
    snapshot: Snapshot,
    secrets: EnsuredSecrets,
    authority: EnsuredAuthority | None,
    cluster_dns: str,
) -> Inputs:
    """Everything a platform's objects are made from.

    ``authority`` None: the certificate comes from a Secret of the user or of cert-manager.
    """
    live = snapshot.live
    referenced = _referenced_values(snapshot)
    recorded_restarts = revisions.recorded_restarts(snapshot.history)
    inputs = Inputs(
        platform=snapshot.platform,
        bundle=snapshot.bundle,
        secrets={**referenced.values, **secrets.values},
        hash_key=secrets.hash_key,
        addresses=service_addresses(live, recorded_addresses(snapshot.status)),
        load_balancers={
            item["metadata"]["name"]: _live_load_balancer(item)
            for item in live.of_kind("Service")
            if item["spec"].get("type") == "LoadBalancer"
        },
        certificate=None,
        owned_secrets={
            item["metadata"]["name"]: item.get("data", {})
            for item in snapshot.secrets_for("config")
        },
        pvcs={
            item["metadata"]["name"]: _live_pvc(item, snapshot.platform)
            for item in live.of_kind("PersistentVolumeClaim")
        },
        cluster_dns=cluster_dns,
        unresolved=snapshot.unresolved,
        restart=snapshot.annotation(keys.RESTART),
        restarts=_live_restarts(live) if recorded_restarts is None else recorded_restarts,
        problems=check_references(
            snapshot.platform, snapshot.secrets, snapshot.others_secrets, snapshot.existing_pvcs
        )
        or referenced.problems,
        waiting=missing_pvcs(snapshot.platform, snapshot.existing_pvcs, live),
        warnings=_recreated_secrets(snapshot.platform, live),
    )
    inputs = _with_role_certificates(inputs, snapshot)
    if authority is None:
        return _with_certificate(inputs, snapshot)
    return _with_private_certificate(inputs, authority)


# Values from Secrets of the user


@dataclass(frozen=True)
class _Values:
    values: dict[str, str]
    problems: tuple[Problem, ...]


def _referenced_values(snapshot: Snapshot) -> _Values:
    """The values that ``spec.secrets`` refers to, and the references that cannot be used."""
    values: dict[str, str] = {}
    problems: list[Problem] = []
    for variable, source in sorted(snapshot.platform.spec.secrets.items()):
        if source.secret_key_ref:
            found = _referenced_value(variable, source.secret_key_ref, snapshot)
            if isinstance(found, Problem):
                problems.append(found)
            else:
                values[variable] = found
    return _Values(values, tuple(problems))


def _referenced_value(variable: str, ref: SecretKeyRef, snapshot: Snapshot) -> str | Problem:
    where = f"spec.secrets.{variable}"
    secret = snapshot.secrets.get(ref.name)
    if secret is None:
        return Problem(
            Reason.SECRET_NOT_FOUND,
            f'{where}: Secret "{ref.name}" not found; create it with key "{ref.key}"',
        )
    data = secret.get("data") or {}
    if ref.key not in data:
        listed = ", ".join(sorted(data)) or "none"
        return Problem(
            Reason.SECRET_KEY_NOT_FOUND,
            f'{where}: Secret "{ref.name}" has no key "{ref.key}" (its keys: {listed}); '
            "add the key or correct the reference",
        )
    text = decoded_text(secret, ref.key)
    if text is None:
        return Problem(
            Reason.INVALID_SECRET,
            f'{where}: key "{ref.key}" of Secret "{ref.name}" is not UTF-8 text; replace its value',
        )
    return text


# What live objects tell


def _live_restarts(live: LiveObjects) -> dict[str, str]:
    """Workload → the restart it was last made for, where no revision has recorded it."""
    found: dict[str, str] = {}
    for kind in WORKLOAD_KINDS:
        for item in live.of_kind(kind):
            annotations = item["spec"]["template"]["metadata"].get("annotations") or {}
            if annotations.get(keys.RESTARTED):
                found[item["metadata"]["name"]] = annotations[keys.RESTARTED]
    return found


def _live_load_balancer(item: Object) -> LiveLoadBalancer:
    return LiveLoadBalancer(
        item["spec"].get("loadBalancerClass"), owns_class=_owns(item, "f:loadBalancerClass")
    )


def _owns(item: Object, field: str) -> bool:
    """Whether the operator has applied a field of ``spec``, by the managed fields."""
    ours = (
        entry
        for entry in item["metadata"].get("managedFields", ())
        if entry.get("manager") == keys.FIELD_MANAGER
    )
    return any(field in entry.get("fieldsV1", {}).get("f:spec", {}) for entry in ours)


def _live_pvc(item: Object, platform: Platform) -> LivePVC:
    return LivePVC(
        size=item["spec"].get("resources", {}).get("requests", {}).get("storage", "0"),
        storage_class=item["spec"].get("storageClassName"),
        owns_storage_class=_owns(item, "f:storageClassName"),
        has_other_controller=has_other_controller(item, platform),
    )


def _recreated_secrets(platform: Platform, live: LiveObjects) -> tuple[Advisory, ...]:
    """A warning for each generated Secret that was deleted while in use, until acknowledged."""
    return tuple(
        Advisory(Reason.SECRET_RECREATED, _recreation_message(name, purpose, annotation))
        for item in live.of_kind("Secret")
        if (purpose := names.secret_purpose(platform.name, name := item["metadata"]["name"]))
        for annotation in keys.RECREATED_NAMES
        if (item["metadata"].get("annotations") or {}).get(annotation)
    )


def _recreation_message(name: str, purpose: str, annotation: str) -> str:
    if purpose == "hash-key":
        consequence = (
            "a new key was generated and nothing was rolled out; "
            "revisions from before cannot be compared with later ones"
        )
    else:
        consequence = (
            "a new value was generated and rolled out to its users; "
            "what was made with the old one (tokens, links) is invalid"
        )
    return (
        f'Secret "{name}": deleted while in use; {consequence}; '
        f"remove its annotation {annotation} to acknowledge"
    )


# Certificates


def _with_private_certificate(inputs: Inputs, authority: EnsuredAuthority) -> Inputs:
    tls = inputs.platform.spec.tls
    return replace(
        inputs,
        certificate=authority.certificate,
        certificate_problem=authority.problem,
        authorities=_bundle(authority.bundle, tls.ca_bundle if tls else None),
        warnings=(*inputs.warnings, authority.warning),
    )


def _with_certificate(inputs: Inputs, snapshot: Snapshot) -> Inputs:
    """The platform's certificate, from a Secret that the user or cert-manager fills."""
    spec = inputs.platform.spec
    name = certificates.secret_name(inputs.platform) or ""
    unissued = _unissued(snapshot, name) if spec.tls and spec.tls.issuer_ref else None
    found, warnings = (
        (unissued, ())
        if unissued
        else _certificate_in(name, certificates.dns_names(spec.domain), snapshot)
    )
    return replace(
        inputs,
        certificate=None if isinstance(found, Finding) else found,
        certificate_problem=found if isinstance(found, Finding) else None,
        authorities=(spec.tls.ca_bundle or "") if spec.tls else "",
        warnings=(*inputs.warnings, *warnings),
    )


def _unissued(snapshot: Snapshot, name: str) -> Finding | None:
    """Why the Secret of a cert-manager Certificate does not count yet.

    Everyone who may create Secrets can create it first; the right to create Secrets does not let
    them write the Certificate's status, which says whether cert-manager has filled it
    (CertificateStatus of cert-manager.io/v1: ``revision`` counts issuances; Ready is also True for
    a Secret that fits already).
    """
    certificate = snapshot.live.get("Certificate", name) or {}
    status = certificate.get("status") or {}
    ready = [each for each in status.get("conditions") or () if each.get("type") == "Ready"]
    if status.get("revision") or any(each.get("status") == "True" for each in ready):
        return None
    text = (
        f'Certificate "{name}" is not issued yet; the reverse proxies wait for the certificate. '
        f"kubectl describe certificate {name} says what cert-manager is doing"
    )
    return Waiting(Reason.WAITING_FOR_CERTIFICATE, text)


def _with_role_certificates(inputs: Inputs, snapshot: Snapshot) -> Inputs:
    """Certificates of single roles."""
    domain = inputs.platform.spec.domain
    found: dict[str, Certificate | Finding] = {}
    warnings: list[Advisory] = []
    for role, name in certificates.role_secret_names(inputs.platform).items():
        dns_names = certificates.role_dns_names(role, domain)
        found[role], of_role = _certificate_in(name, dns_names, snapshot)
        warnings += of_role
    return replace(inputs, role_certificates=found, warnings=(*inputs.warnings, *warnings))


def _certificate_in(
    name: str, dns_names: list[str], snapshot: Snapshot
) -> tuple[Certificate | Finding, Sequence[Advisory]]:
    """The certificate in a Secret, or why it cannot be used; and warnings about it."""
    where = f'Secret "{name}"'
    secret = snapshot.secrets.get(name)
    if secret is None:
        text = f"{where} of type {TLS_TYPE} not found; the reverse proxies wait for the certificate"
        return Waiting(Reason.WAITING_FOR_CERTIFICATE, text), ()
    chain, key = decoded_bytes(secret, "tls.crt"), decoded_bytes(secret, "tls.key")
    if not chain or not key:
        text = f"{where} has no tls.crt and tls.key; the reverse proxies wait for the certificate"
        return Waiting(Reason.WAITING_FOR_CERTIFICATE, text), ()
    certificate = Certificate(pem_text(chain), pem_text(key))
    problem, warnings = certificate_checks.check_certificate(
        certificate, dns_names, where, snapshot.now
    )
    return problem or certificate, warnings


def _bundle(*authorities: str | None) -> str:
    """Authorities (PEM) in one text."""
    return "".join(f"{each.rstrip()}\n" for each in authorities if each)
