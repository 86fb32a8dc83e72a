"""Everything a platform's desired state depends on, from the cluster: referenced Secrets, generated values, the certificate.

What has to exist and does not is made here, by creation only: a stale read must never overwrite a live key.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import datetime as dt
import secrets as randomness
import string
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.findings import Advisory, Announcement, Finding, Problem, Waiting
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.reasons import Reason
from pryv_operator.api.status import PryvPlatformStatus
from pryv_operator.desired import certificates
from pryv_operator.desired.inputs import Inputs
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.errors import ConflictError, RejectedError
from pryv_operator.kube.resources import SECRETS
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.live.rejections import rejection_problem
from pryv_operator.objects.pvcs import LivePVC
from pryv_operator.pki import authority, certificate_checks
from pryv_operator.pki.certificate import Certificate
from pryv_operator.reconcile import upstreams
from pryv_operator.rollout.revision_inputs import GENERATED_KEY, RevisionInput, SecretInput
from pryv_operator.templates.bundle import Bundle
from pryv_operator.values.addresses import Address
from pryv_operator.values.platform_values import generated_names

_ALPHABET: Final = string.ascii_lowercase + string.digits
_LENGTH: Final = 32
_TLS_TYPE: Final = "kubernetes.io/tls"
#: For what a paused platform lacks: nothing is made, and every pass says the same.
_STAND_IN: Final = "made once the rollout is not paused"


class UnusableError(Exception):
    """Something that has to be there for every pass is there, and cannot be used."""

    def __init__(self, problem: Problem) -> None:
        """For the status."""
        self.problem = problem
        super().__init__(problem.message)


@dataclass(frozen=True)
class Gathered:
    """Inputs, and what the private authority left behind: Secrets to remove once nothing uses them."""

    inputs: Inputs
    authorities: tuple[str, ...] = ()
    obsolete: tuple[Object, ...] = ()
    made: tuple[Announcement, ...] = ()
    #: Generated Secrets of former rotations, to remove once nothing runs with them.
    rotated: tuple[Object, ...] = ()


async def gather(
    client: KubeClient,
    platform: Platform,
    bundle: Bundle,
    observed: LiveObjects,
    status: PryvPlatformStatus,
    *,
    in_use: Collection[RevisionInput],
    restarts: Mapping[str, str] | None,
    restart: str,
    cluster_dns: str,
    now: dt.datetime,
) -> Gathered:
    """The inputs of a pass. ``in_use`` and ``restarts`` are the newest revision's: what went into it, and the restart each workload is
    made for (None: nobody has noted that, so the workloads tell). ``restart``: the resource's ``pryv.io/restart``.

    Raises:
        UnusableError: a Secret of the platform's own is somebody else's, or holds nothing.
    """
    referenced = await _referenced(client, platform)
    problems: list[Problem] = []
    values: dict[str, str] = {}
    for name, source in sorted(platform.spec.secrets.items()):
        if source.secret_key_ref:
            text, problem = _value(
                name, source.secret_key_ref.name, source.secret_key_ref.key, referenced
            )
            values |= {name: text} if text is not None else {}
            problems += [problem] if problem else []
    made: list[Announcement] = []
    for variable in generated_names(platform, bundle):
        values[variable] = await _generated(client, platform, observed, variable, in_use, made)
    inputs = Inputs(
        platform=platform,
        bundle=bundle,
        secrets=values,
        hash_key=await _hash_key(client, platform, observed, in_use, made),
        addresses=addresses(observed, status),
        certificate=None,
        owned_secrets={
            item["metadata"]["name"]: item.get("data", {})
            for item in observed.of_kind("Secret")
            if item["metadata"]["labels"].get(keys.PURPOSE) == "config"
        },
        pvcs={
            item["metadata"]["name"]: _live_pvc(item)
            for item in observed.of_kind("PersistentVolumeClaim")
        },
        cluster_dns=cluster_dns,
        unresolved=await upstreams.unresolved(bundle, observed),
        restart=restart,
        restarts=_restarts(observed) if restarts is None else restarts,
        problems=tuple(problems),
        warnings=_made_anew(observed),
    )
    rotated = _former_rotations(platform, observed, generated_names(platform, bundle))
    inputs = _with_role_certificates(inputs, referenced, now)
    named = certificates.secret_name(platform)
    if named is None:
        gathered = await _with_private_authority(
            client, platform, observed, status, inputs, now, made
        )
        return replace(gathered, rotated=rotated)
    return Gathered(
        _with_certificate(inputs, named, referenced.get(named), now),
        made=tuple(made),
        rotated=rotated,
    )


def _restarts(observed: LiveObjects) -> dict[str, str]:
    """Workload → the restart it was last made for."""
    found: dict[str, str] = {}
    for item in (*observed.of_kind("Deployment"), *observed.of_kind("StatefulSet")):
        annotations = item["spec"]["template"]["metadata"].get("annotations") or {}
        if annotations.get(keys.RESTARTED):
            found[item["metadata"]["name"]] = annotations[keys.RESTARTED]
    return found


def _made_anew(observed: LiveObjects) -> tuple[Advisory, ...]:
    """Values that had to be made again."""
    lost = [
        item
        for item in observed.of_kind("Secret")
        if (item["metadata"].get("annotations") or {}).get(keys.RECREATED)
    ]
    return tuple(Advisory(Reason.SECRET_RECREATED, _told_anew(item)) for item in lost)


def _told_anew(item: Object) -> str:
    name, read = (
        item["metadata"]["name"],
        f"Remove its annotation {keys.RECREATED} to have read this",
    )
    if item["metadata"]["labels"].get(keys.PURPOSE) == "hash-key":
        return (
            f"Secret {name} was deleted although it was in use: a new key was made, and nothing was rolled; revisions before can not be "
            f"compared with those since. {read}"
        )
    return (
        f"Secret {name} was deleted although it was in use: a new value was made and rolled to what uses it; "
        f"whatever was made with the old one (tokens, links) is invalid. {read}"
    )


def _rotation(platform: Platform, variable: str) -> int:
    source = platform.spec.secrets.get(variable)
    return (source.generate.rotation or 0) if source and source.generate else 0


def _former_rotations(
    platform: Platform, observed: LiveObjects, generated: Iterable[str]
) -> tuple[Object, ...]:
    """Generated Secrets of a variable's other rotations."""
    current = {
        variable: names.generated_secret(platform.name, variable, _rotation(platform, variable))
        for variable in generated
    }
    return tuple(
        item
        for item in observed.of_kind("Secret")
        if item["metadata"]["labels"].get(keys.PURPOSE) == "generated"
        and (variable := (item["metadata"].get("annotations") or {}).get(keys.VARIABLE)) in current
        and item["metadata"]["name"] != current[variable]
    )


def _live_pvc(item: Object) -> LivePVC:
    ours = (
        entry
        for entry in item["metadata"].get("managedFields", ())
        if entry.get("manager") == keys.FIELD_MANAGER
    )
    return LivePVC(
        size=item["spec"].get("resources", {}).get("requests", {}).get("storage", "0"),
        storage_class=item["spec"].get("storageClassName"),
        owns_storage_class=any(
            "f:storageClassName" in entry.get("fieldsV1", {}).get("f:spec", {}) for entry in ours
        ),
    )


def addresses(observed: LiveObjects, status: PryvPlatformStatus) -> dict[str, Address]:
    """What is known of each Service: as it is, else as it was when it was last seen."""
    known = {each.name: Address(each.cluster_ip, each.load_balancer_ip) for each in status.services}
    for service in observed.of_kind("Service"):
        name = service["metadata"]["name"]
        entries: list[Object] = (
            service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
        )
        ingress = next(
            (entry for entry in entries if entry.get("ip")), entries[0] if entries else {}
        )
        remembered = known.get(name, Address())
        is_load_balancer = service["spec"].get("type") == "LoadBalancer"
        known[name] = Address(
            cluster_ip=service["spec"].get("clusterIP") or remembered.cluster_ip,
            # Its status is empty for a moment now and then: the last address stands until another one comes.
            load_balancer_ip=(ingress.get("ip") if entries else remembered.load_balancer_ip)
            if is_load_balancer
            else None,
            load_balancer_host=ingress.get("hostname")
            if is_load_balancer and not ingress.get("ip")
            else None,
        )
    return known


async def _referenced(client: KubeClient, platform: Platform) -> dict[str, Object]:
    wanted = {
        source.secret_key_ref.name
        for source in platform.spec.secrets.values()
        if source.secret_key_ref
    }
    certificate = certificates.secret_name(platform)
    ordered = sorted(
        wanted
        | ({certificate} if certificate else set())
        | set(certificates.role_secret_names(platform).values())
    )
    found = await asyncio.gather(
        *(client.get(SECRETS, platform.namespace, name) for name in ordered)
    )
    return {name: item for name, item in zip(ordered, found, strict=True) if item is not None}


def _value(
    variable: str, name: str, key: str, referenced: Mapping[str, Object]
) -> tuple[str | None, Problem | None]:
    secret = referenced.get(name)
    if secret is None:
        return None, Problem(
            Reason.SECRET_NOT_FOUND,
            f"secrets.{variable}: there is no Secret {name} in this namespace: create it with a key {key}",
        )
    data = secret.get("data") or {}
    if key not in data:
        there = ", ".join(sorted(data)) or "no key at all"
        return None, Problem(
            Reason.SECRET_KEY_NOT_FOUND,
            f"secrets.{variable}: Secret {name} has no key {key}; it has {there}",
        )
    text = _decoded(data[key])
    if text is None:
        return None, Problem(
            Reason.INVALID_SECRET,
            f"secrets.{variable}: key {key} of Secret {name} is no UTF-8 text",
        )
    return text, None


def _decoded(encoded: str) -> str | None:
    try:
        return base64.b64decode(encoded).decode()
    except (UnicodeDecodeError, binascii.Error):
        return None


async def _generated(
    client: KubeClient,
    platform: Platform,
    observed: LiveObjects,
    variable: str,
    in_use: Collection[RevisionInput],
    made: list[Announcement],
) -> str:
    """A generated value; made once, and kept until its rotation is counted up."""
    name = names.generated_secret(platform.name, variable, _rotation(platform, variable))
    lost = SecretInput(name, GENERATED_KEY) in in_use
    value = "".join(randomness.choice(_ALPHABET) for _ in range(_LENGTH))
    wanted = _kept_secret(
        platform, name, "generated", {GENERATED_KEY: _STAND_IN if platform.paused else value}
    )
    wanted["metadata"]["annotations"] = {keys.VARIABLE: variable} | (
        {keys.RECREATED: "true"} if lost else {}
    )
    item, is_new = await _kept(client, platform, observed, wanted)
    if is_new and lost:
        text = f"Secret {name} was deleted although it was in use: made a new value for {variable}, which is rolled to what uses it"
        made.append(Announcement(Reason.SECRET_RECREATED, text))
    elif is_new:
        made.append(
            Announcement(
                Reason.SECRET_GENERATED, f"generated a value for {variable} (Secret {name})"
            )
        )
    return _kept_value(item)


async def _hash_key(
    client: KubeClient,
    platform: Platform,
    observed: LiveObjects,
    in_use: Collection[RevisionInput],
    made: list[Announcement],
) -> bytes:
    """The key that content hashes of secrets are made with."""
    name = names.hash_key_secret(platform.name)
    value = _STAND_IN if platform.paused else randomness.token_hex(32)
    wanted = _kept_secret(platform, name, "hash-key", {GENERATED_KEY: value})
    if in_use:
        wanted["metadata"]["annotations"] = {keys.RECREATED: "true"}
    item, is_new = await _kept(client, platform, observed, wanted)
    if is_new and in_use:
        made.append(
            Announcement(
                Reason.SECRET_RECREATED,
                f"Secret {name} was deleted although it was in use: made a new key, and nothing is rolled",
            )
        )
    return _kept_value(item).encode()


def _kept_value(item: Object) -> str:
    """What a kept Secret holds; an empty value must never be used as a key."""
    value = _decoded((item.get("data") or {}).get(GENERATED_KEY, ""))
    if not value:
        name = item["metadata"]["name"]
        problem = f"Secret {name} holds no text under {GENERATED_KEY}: put the value back, or delete the Secret to have a new one made"
        raise UnusableError(Problem(Reason.INVALID_SECRET, problem))
    return value


def _kept_secret(
    platform: Platform, name: str, purpose: str, data: Mapping[str, str], kind: str = "Opaque"
) -> Object:
    """A Secret that outlives the platform unless its deletionPolicy is Delete."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": kind,
        "metadata": platform.metadata(
            name, {keys.PURPOSE: purpose}, owned=not platform.retains_data
        ),
        "immutable": True,
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in data.items()},
    }


async def _kept(
    client: KubeClient, platform: Platform, observed: LiveObjects, wanted: Object
) -> tuple[Object, bool]:
    """A Secret that is made once: as it is there, or newly made; and whether it is new. Only ever created, so nothing is overwritten.

    Raises:
        UnusableError: a Secret of that name belongs to somebody else, or the API server does not take ours.
    """
    name = wanted["metadata"]["name"]
    there = observed.get("Secret", name) or await client.get(SECRETS, platform.namespace, name)
    if there is None and platform.paused:
        return wanted, False  # only to say what would be applied
    if there is None:
        try:
            return await client.create(wanted), True
        except ConflictError:
            there = await client.get(SECRETS, platform.namespace, name)
            if there is None:
                raise
        except RejectedError as error:
            raise UnusableError(rejection_problem(wanted, error)) from None
    return await _with_labels(client, platform, there, wanted["metadata"]["labels"]), False


async def _with_labels(
    client: KubeClient, platform: Platform, there: Object, labels: Mapping[str, str]
) -> Object:
    """A kept Secret with its labels, which somebody may have taken away.

    Raises:
        UnusableError: it is not ours, or says that it is of something else.
    """
    name, found = there["metadata"]["name"], there["metadata"].get("labels") or {}
    if labels.items() <= found.items():
        return there
    if not any(
        entry.get("manager") == keys.FIELD_MANAGER
        for entry in there["metadata"].get("managedFields", ())
    ):
        problem = f"Secret {name} exists already and does not belong to this platform: rename it, or give the platform another name"
        raise UnusableError(Problem(Reason.NAME_IN_USE, problem))
    if any(found.get(key, value) != value for key, value in labels.items()):
        wanted = ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))
        problem = f"Secret {name} is labelled as something else's: give it back its labels {wanted}; deleting it would lose its value"
        raise UnusableError(Problem(Reason.NAME_IN_USE, problem))
    if platform.paused:
        return there
    try:
        return await client.patch_labels(there, labels)
    except RejectedError as error:
        raise UnusableError(rejection_problem({"kind": "Secret", **there}, error)) from None


def _with_certificate(inputs: Inputs, name: str, secret: Object | None, now: dt.datetime) -> Inputs:
    """The platform's certificate, from a Secret that the user or cert-manager fills."""
    spec = inputs.platform.spec
    found, warnings = _certificate_in(name, secret, certificates.dns_names(spec.domain), now)
    inputs = replace(
        inputs,
        authorities=(spec.tls.ca_bundle or "") if spec.tls else "",
        warnings=(*inputs.warnings, *warnings),
    )
    if isinstance(found, Finding):
        return replace(inputs, certificate_problem=found)
    return replace(inputs, certificate=found)


def _with_role_certificates(
    inputs: Inputs, referenced: Mapping[str, Object], now: dt.datetime
) -> Inputs:
    """Certificates of single roles."""
    domain = inputs.platform.spec.domain
    for role, name in certificates.role_secret_names(inputs.platform).items():
        found, warnings = _certificate_in(
            name, referenced.get(name), certificates.role_dns_names(role, domain), now
        )
        certificates_of_roles = {**inputs.role_certificates, role: found}
        inputs = replace(
            inputs, role_certificates=certificates_of_roles, warnings=(*inputs.warnings, *warnings)
        )
    return inputs


def _certificate_in(
    name: str, secret: Object | None, dns_names: list[str], now: dt.datetime
) -> tuple[Certificate | Finding, tuple[Advisory, ...]]:
    """The certificate a Secret holds, or why it holds none, and what should be known about it."""
    if secret is None:
        waiting = f"the reverse proxies wait for the certificate: there is no Secret {name} of type {_TLS_TYPE} in this namespace yet"
        return Waiting(Reason.WAITING_FOR_CERTIFICATE, waiting), ()
    data = secret.get("data") or {}
    chain, key = (_decoded(data.get(part, "")) for part in ("tls.crt", "tls.key"))
    where = f"Secret {name}"
    if not chain or not key:
        return Waiting(
            Reason.WAITING_FOR_CERTIFICATE,
            f"the reverse proxies wait for the certificate: {where} has no tls.crt and tls.key",
        ), ()
    certificate = Certificate(chain, key)
    problem, warnings = certificate_checks.check_certificate(certificate, dns_names, where, now)
    return problem or certificate, warnings


async def _with_private_authority(
    client: KubeClient,
    platform: Platform,
    observed: LiveObjects,
    status: PryvPlatformStatus,
    inputs: Inputs,
    now: dt.datetime,
    made: list[Announcement],
) -> Gathered:
    """The platform's own authority and certificate, made where they are missing."""
    spec = platform.spec
    dns_names = certificates.dns_names(spec.domain)
    for _ in range(3):  # an authority, a certificate, and then nothing is missing
        taken = _highest(observed, "authority"), _highest(observed, "certificate")
        certificates_there = _issued(observed, "certificate")
        plan = authority.plan_issuance(
            _issued(observed, "authority"),
            certificates_there,
            dns_names,
            status.trusted_authorities,
            now,
            highest_numbers=taken,
        )
        if plan.complete or platform.paused:
            break
        if plan.next_authority is not None:
            name = names.private_authority(platform.name, plan.next_authority)
            pair, purpose = (
                authority.issue_authority(f"{platform.namespace}/{platform.name}", now),
                "authority",
            )
        else:
            assert plan.issuer is not None  # noqa: S101 - a plan that makes a certificate says with what
            name = names.private_certificate(platform.name, plan.next_certificate or 1)
            pair, purpose = (
                authority.issue_certificate(plan.issuer, dns_names, now),
                "certificate",
            )
        wanted = _kept_secret(
            platform, name, purpose, {"tls.crt": pair.chain, "tls.key": pair.key}, kind=_TLS_TYPE
        )
        made_secret, is_new = await _kept(client, platform, observed, wanted)
        if is_new:
            made.append(
                Announcement(
                    Reason.CERTIFICATE_ISSUED, f"made {name} for the platform's private {purpose}"
                )
            )
        observed = observed.with_objects([made_secret])
    where = f" (its certificate is in Secret {plan.trusted[-1].name})" if plan.trusted else ""
    caution = Advisory(
        Reason.PRIVATE_CERTIFICATE,
        f"no certificate is given: the platform uses one of its own authority, which clients do not trust{where}; "
        "set tls.secretName or tls.issuerRef",
    )
    certificate = Certificate(plan.current.pem, plan.current.key_pem) if plan.current else None
    if certificate is None and platform.paused:
        newest = max(certificates_there, key=lambda each: each.number, default=None)
        certificate = (
            Certificate(newest.pem, newest.key_pem) if newest else Certificate(_STAND_IN, _STAND_IN)
        )
    inputs = replace(
        inputs,
        certificate=certificate,
        certificate_problem=None
        if certificate
        else Waiting(
            Reason.WAITING_FOR_CERTIFICATE, "the private certificate could not be read back"
        ),
        authorities=_bundle(plan.bundle, spec.tls.ca_bundle if spec.tls else None),
        warnings=(*inputs.warnings, caution),
    )
    obsolete = tuple(item for name in plan.obsolete if (item := observed.get("Secret", name)))
    return Gathered(inputs, tuple(each.name for each in plan.trusted), obsolete, tuple(made))


def _bundle(*authorities: str | None) -> str:
    """Authorities (PEM) in one text."""
    return "".join(f"{each.rstrip()}\n" for each in authorities if each)


def _highest(observed: LiveObjects, purpose: str) -> int:
    """The highest number in use, by Secrets that cannot be read too: a number is never used twice."""
    suffixes = (
        item["metadata"]["name"].rsplit("-", 1)[-1]
        for item in observed.of_kind("Secret")
        if item["metadata"]["labels"].get(keys.PURPOSE) == purpose
    )
    return max((int(suffix) for suffix in suffixes if suffix.isdigit()), default=0)


def _issued(observed: LiveObjects, purpose: str) -> list[authority.IssuedCertificate]:
    found: Iterable[authority.IssuedCertificate | None] = (
        authority.parse_issued(
            item["metadata"]["name"],
            _decoded(item.get("data", {}).get("tls.crt", "")) or "",
            _decoded(item.get("data", {}).get("tls.key", "")) or "",
        )
        for item in observed.of_kind("Secret")
        if item["metadata"]["labels"].get(keys.PURPOSE) == purpose
    )
    return [each for each in found if each is not None]
