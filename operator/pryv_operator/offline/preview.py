"""The files and objects of a platform, rendered without a cluster."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pryv_operator.api import names
from pryv_operator.api.findings import Advisory, Finding, Problem
from pryv_operator.api.platform import Platform
from pryv_operator.api.privileges import Privilege
from pryv_operator.api.reasons import Reason
from pryv_operator.api.spec import SecretKeyRef
from pryv_operator.desired import certificates
from pryv_operator.desired.inputs import Inputs
from pryv_operator.desired.render_errors import problem_of
from pryv_operator.desired.state import Desired, compute_desired
from pryv_operator.leader.render_error import RenderError
from pryv_operator.offline import placeholders
from pryv_operator.offline.documents import Documents, load_bundle
from pryv_operator.pki.certificate import Certificate
from pryv_operator.pki.pem import pem_text
from pryv_operator.rendering.files import RenderedFile, render
from pryv_operator.templates.bundle import UNSET, Bundle
from pryv_operator.values.addresses import Address, placeholder_addresses
from pryv_operator.values.catalogue import Catalogue
from pryv_operator.values.platform_values import (
    PlatformValues,
    generated_names,
    resolve_platform_values,
)

#: Of a type that is not a text: the value of a placeholder where there is no default.
_EMPTY: Final[Mapping[str, Any]] = {
    "number": 0, "integer": 0, "boolean": False, "object": {}, "array": [],
}  # fmt: skip


class OfflineError(Exception):
    """A platform that cannot be rendered as it is configured."""

    def __init__(self, problems: tuple[Finding, ...]) -> None:
        super().__init__("\n".join(problem.message for problem in problems))
        self.problems = problems


@dataclass(frozen=True)
class OfflineInputs:
    """The inputs of a platform, with placeholders, and warnings about missing files."""

    inputs: Inputs
    warnings: tuple[Advisory, ...]


@dataclass(frozen=True)
class OfflineFiles:
    """Role → its files, and warnings about variables."""

    by_role: Mapping[str, tuple[RenderedFile, ...]]
    warnings: tuple[Advisory, ...]


def prepare_inputs(
    documents: Documents, *, show_secrets: bool, cluster_dns: str = placeholders.CLUSTER_DNS
) -> OfflineInputs:
    """The inputs of a platform, from its files; addresses and generated secrets are placeholders.

    Args:
        documents: the platform and the objects that it refers to.
        show_secrets: whether secret values are used; else they are masked from the beginning.
        cluster_dns: IP address of the cluster's DNS server.

    Raises:
        DocumentError: the templates are not in the files, or cannot be used.
        OfflineError: the platform cannot be rendered as it is configured.
    """
    platform = documents.platform
    bundle = load_bundle(documents)
    secrets, warnings = _secrets(documents, bundle, show_secrets=show_secrets)
    inputs = Inputs(
        platform=platform,
        bundle=bundle,
        secrets=secrets,
        hash_key=placeholders.HASH_KEY,
        addresses={},
        certificate=_certificate(
            documents, certificates.secret_name(platform), show_secrets=show_secrets
        ),
        role_certificates={
            role: _certificate(documents, name, show_secrets=show_secrets)
            for role, name in certificates.role_secret_names(platform).items()
        },
        authorities=(platform.spec.tls.ca_bundle or "") if platform.spec.tls else "",
        cluster_dns=cluster_dns,
        allowed=frozenset(Privilege),  # what the cluster's operator refuses is not known here
    )
    inputs = replace(inputs, addresses=_addresses(inputs))
    return OfflineInputs(inputs, (*documents.warnings, *warnings))


def placeholder_inputs(
    platform: Platform, bundle: Bundle, addresses: Mapping[str, Address] | None = None
) -> Inputs:
    """Inputs of a platform without a single Secret: all values of secrets are placeholders.

    ``addresses``: those of the platform's Services that are known; None: placeholders.

    Raises:
        OfflineError: the platform cannot be rendered as it is configured.
    """
    names_of_secrets = (*generated_names(platform, bundle), *_references(platform))
    inputs = Inputs(
        platform=platform,
        bundle=bundle,
        secrets={name: _placeholder_of(name, bundle) for name in names_of_secrets},
        hash_key=placeholders.HASH_KEY,
        addresses={},
        certificate=placeholders.CERTIFICATE,
        role_certificates=dict.fromkeys(
            certificates.role_secret_names(platform), placeholders.CERTIFICATE
        ),
        authorities=(platform.spec.tls.ca_bundle or "") if platform.spec.tls else "",
        cluster_dns=placeholders.CLUSTER_DNS,
        allowed=frozenset(Privilege),
    )
    known = {name: each for name, each in (addresses or {}).items() if each.cluster_ip}
    return replace(inputs, addresses={**_addresses(inputs), **known})


def _placeholder_of(name: str, bundle: Bundle) -> str:
    """A placeholder for a secret, of the type that its variable has."""
    catalogue = Catalogue(bundle.variables)
    place = catalogue.place(name)
    variable = bundle.variables.get(place.variable)
    if place.path or variable is None or variable.type in ("string", "any"):
        return placeholders.generated_secret(name)
    default = None if variable.default is UNSET else variable.default
    text = json.dumps(_EMPTY[variable.type] if default is None else default)
    return placeholders.masked_secret(name, text)


def render_files(inputs: Inputs) -> OfflineFiles:
    """The files of every role that the platform runs, or that a reg-slave elsewhere needs.

    Raises:
        OfflineError: they cannot be rendered.
    """
    resolved = _platform_values(inputs)
    roles = list(dict.fromkeys(instance.role for instance in resolved.instances))
    external_slave = any(instance.external_slave for instance in resolved.instances)
    if external_slave and names.REG_SLAVE in inputs.bundle.roles:
        roles.append(names.REG_SLAVE)
    try:
        return OfflineFiles(render(inputs.bundle, resolved.values, roles), resolved.warnings)
    except RenderError as error:
        raise OfflineError((problem_of(error),)) from None


def render_objects(inputs: Inputs) -> Desired:
    """The complete desired state: all Kubernetes objects of the platform.

    Raises:
        OfflineError: they cannot be rendered.
    """
    found = compute_desired(inputs)
    if found.problems or found.waiting:
        raise OfflineError((*found.problems, *found.waiting))
    return found


def _platform_values(inputs: Inputs) -> PlatformValues:
    found = resolve_platform_values(
        inputs.platform,
        inputs.bundle,
        addresses=inputs.addresses,
        secrets=inputs.secrets,
        cluster_dns=inputs.cluster_dns,
    )
    if found.problems:
        raise OfflineError(found.problems)
    return found


def _secrets(
    documents: Documents, bundle: Bundle, *, show_secrets: bool
) -> tuple[dict[str, str], list[Advisory]]:
    """Variable or dotted path → its secret text or a placeholder; and what is not in the files."""
    platform = documents.platform
    secrets = {
        name: placeholders.generated_secret(name) for name in generated_names(platform, bundle)
    }
    warnings: list[Advisory] = []
    for name, reference in _references(platform).items():
        content = documents.content("Secret", reference.name, reference.key)
        if content is None:
            secrets[name] = placeholders.missing_secret(name)
            warnings.append(
                Advisory(
                    Reason.SECRET_NOT_FOUND,
                    f'spec.secrets.{name}: key "{reference.key}" of Secret "{reference.name}" is '
                    "not in the files, so a placeholder is used; pass its file with -f, too",
                )
            )
            continue
        text = _decoded(name, reference, content)
        secrets[name] = text if show_secrets else placeholders.masked_secret(name, text)
    return secrets, warnings


def _references(platform: Platform) -> dict[str, SecretKeyRef]:
    return {
        name: source.secret_key_ref
        for name, source in platform.spec.secrets.items()
        if source.secret_key_ref is not None
    }


def _decoded(name: str, reference: SecretKeyRef, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        failure = OfflineError(
            (
                Problem(
                    Reason.INVALID_SECRET,
                    f'spec.secrets.{name}: key "{reference.key}" of Secret "{reference.name}" is '
                    "not UTF-8 text; correct it",
                ),
            )
        )
    raise failure


def _certificate(documents: Documents, name: str | None, *, show_secrets: bool) -> Certificate:
    """The certificate in a Secret; a placeholder when it is not in the files, or cluster-issued."""
    chain = documents.content("Secret", name, "tls.crt") if name else None
    key = documents.content("Secret", name, "tls.key") if name else None
    if not chain or not key:
        return placeholders.CERTIFICATE
    return Certificate(
        pem_text(chain),
        pem_text(key) if show_secrets else placeholders.MASKED_KEY,
    )


def _addresses(inputs: Inputs) -> dict[str, Address]:
    """A documentation address for each Service, and the same one for its load balancer."""
    first = compute_desired(inputs)
    if first.problems and not first.services:
        raise OfflineError(first.problems)
    known = placeholder_addresses([service["metadata"]["name"] for service in first.services])
    return {
        name: replace(address, load_balancer_ip=address.cluster_ip)
        for name, address in known.items()
    }
