"""What a platform becomes, without a cluster: addresses, generated values and the certificate are stood in for, visibly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pryv_operator.api import names
from pryv_operator.api.findings import Advisory, Finding, Problem
from pryv_operator.api.reasons import Reason
from pryv_operator.desired import certificates
from pryv_operator.desired.inputs import Inputs
from pryv_operator.desired.render_errors import problem_of
from pryv_operator.desired.state import Desired, compute_desired
from pryv_operator.leader.render_error import RenderError
from pryv_operator.offline.documents import Documents, bundle_of
from pryv_operator.pki.certificate import Certificate
from pryv_operator.rendering.files import RenderedFile, render
from pryv_operator.values.addresses import Address, placeholder_addresses
from pryv_operator.values.nested import map_leaves
from pryv_operator.values.platform_values import (
    PlatformValues,
    generated_names,
    resolve_platform_values,
)

CLUSTER_DNS: Final = "10.96.0.10"
_HASH_KEY: Final = b"offline"
_NO_CERTIFICATE: Final = Certificate(
    "placeholder for the certificate and its chain\n", "placeholder for its key\n"
)


class OfflineError(Exception):
    """A platform that cannot be rendered as it stands; ``problems`` say why, naming variables, files and lines."""

    def __init__(self, problems: tuple[Finding, ...]) -> None:
        super().__init__("\n".join(problem.message for problem in problems))
        self.problems = problems


@dataclass(frozen=True)
class Prepared:
    """Complete inputs of a platform, and what stands in for what is not known."""

    inputs: Inputs
    warnings: tuple[Advisory, ...]


def prepare(
    documents: Documents, *, show_secrets: bool, cluster_dns: str = CLUSTER_DNS
) -> Prepared:
    """The inputs of a platform out of its documents; secrets that are not shown are not even taken in.

    Raises:
        DocumentError: its templates are not among the documents, or cannot be used.
        OfflineError: the platform cannot be rendered as it stands.
    """
    platform = documents.platform
    bundle = bundle_of(documents)
    warnings = [*documents.warnings]
    # Slugs, because a placeholder that holds a variable's name would be substituted itself.
    secrets = {name: f"generated-{names.slug(name)}" for name in generated_names(platform, bundle)}
    for name, source in platform.spec.secrets.items():
        if source.secret_key_ref is None:
            continue
        reference = source.secret_key_ref
        content = documents.content("Secret", reference.name, reference.key)
        text = None if content is None else _decoded(content, name)
        if text is None:
            secrets[name] = f"missing-{names.slug(name)}"
            missing = f"key {reference.key} of Secret {reference.name} is not among the files: a placeholder stands for {name}"
            warnings.append(Advisory(Reason.SECRET_NOT_FOUND, missing))
        else:
            secrets[name] = text if show_secrets else masked(text, name)
    inputs = Inputs(
        platform=platform,
        bundle=bundle,
        secrets=secrets,
        hash_key=_HASH_KEY,
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
    )
    return Prepared(replace(inputs, addresses=_addresses(inputs)), tuple(warnings))


def rendered_files(
    inputs: Inputs,
) -> tuple[Mapping[str, tuple[RenderedFile, ...]], tuple[Advisory, ...]]:
    """The files of every role that the platform wants, and the warnings.

    Raises:
        OfflineError: they cannot be rendered.
    """
    resolved = platform_values(inputs)
    layout = resolved.instances
    roles = list(dict.fromkeys(instance.role for instance in layout))
    if (
        any(instance.external_slave for instance in layout)
        and names.REG_SLAVE in inputs.bundle.roles
    ):
        roles.append(names.REG_SLAVE)  # somebody has to bring them there
    try:
        return render(inputs.bundle, resolved.values, roles), resolved.warnings
    except RenderError as error:
        raise OfflineError((problem_of(error),)) from None


def platform_values(inputs: Inputs) -> PlatformValues:
    """The values of all variables of a platform.

    Raises:
        OfflineError: a value is missing, or wrong.
    """
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


def all_objects(inputs: Inputs) -> Desired:
    """All Kubernetes objects of the platform.

    Raises:
        OfflineError: they cannot be made.
    """
    found = compute_desired(inputs)
    if found.problems or found.waiting:
        raise OfflineError((*found.problems, *found.waiting))
    return found


def masked(text: str, name: str) -> str:
    """Something to stand for a secret, of the same JSON type and shape where it has one."""
    stand_in = f"masked-{names.slug(name)}"
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return stand_in
    if isinstance(value, (dict, list)):
        return json.dumps(
            map_leaves(value, lambda leaf: stand_in if isinstance(leaf, str) else _nothing(leaf))
        )
    return stand_in if isinstance(value, str) else json.dumps(_nothing(value))


def _nothing(value: Any) -> Any:
    return value if isinstance(value, bool) or value is None else 0


def _decoded(content: bytes, name: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise OfflineError(
            (
                Problem(
                    Reason.INVALID_SECRET, f"secrets.{name}: the Secret's value is no UTF-8 text"
                ),
            )
        ) from None


def _certificate(documents: Documents, name: str | None, *, show_secrets: bool) -> Certificate:
    """The certificate of a Secret; a stand-in when there is none among the documents, or the cluster makes it."""
    chain = documents.content("Secret", name, "tls.crt") if name else None
    key = documents.content("Secret", name, "tls.key") if name else None
    if not chain or not key:
        return _NO_CERTIFICATE
    return Certificate(
        chain.decode("utf-8", "replace"),
        key.decode("utf-8", "replace") if show_secrets else "masked\n",
    )


def _addresses(inputs: Inputs) -> dict[str, Address]:
    """A documentation address for each Service; that of its load balancer, if it is to have one, is the same."""
    first = compute_desired(inputs)
    if first.problems and not first.services:
        raise OfflineError(first.problems)
    known = placeholder_addresses([service["metadata"]["name"] for service in first.services])
    return {
        name: replace(address, load_balancer_ip=address.cluster_ip)
        for name, address in known.items()
    }
