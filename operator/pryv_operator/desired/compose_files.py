"""Reads the rendered ``pryv.yml`` of a role, and finds out which of its values are secret."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Final

from pryv_operator.api.findings import Problem
from pryv_operator.api.reasons import Reason
from pryv_operator.compose.error import ComposeError
from pryv_operator.compose.model import ComposeFile, Service
from pryv_operator.compose.parse import parse_compose
from pryv_operator.leader.taint import Value
from pryv_operator.objects.model import Component
from pryv_operator.rendering.files import RenderedFile, render
from pryv_operator.rendering.limits import RECONCILIATION_LIMITS
from pryv_operator.templates.bundle import Bundle

COMPOSE_FILE: Final = "pryv.yml"
#: Replaces secret values when a compose file is rendered again to see where they end up.
#: A private-use character: it is in no template.
_MASK: Final = "\ue000secret\ue000"


def service_location(component: Component) -> str:
    """Where a component is declared, as messages begin: ``core/pryv.yml: service "mfa"``."""
    return f'{component.instance.role}/{COMPOSE_FILE}: service "{component.service.name}"'


@dataclass(frozen=True)
class RoleServices:
    """A role's compose file, and which of its environment variables hold a secret."""

    compose: ComposeFile
    #: Service → names of its environment variables whose value is a secret.
    secret_environment: Mapping[str, frozenset[str]] = field(default_factory=dict)


def read_compose_file(
    bundle: Bundle, role: str, files: Iterable[RenderedFile], values: Mapping[str, Value]
) -> RoleServices | Problem:
    """The services of a role, or why its compose file cannot be used.

    A secret may only be in values of ``environment``: they are moved to a Secret, while every other
    field becomes part of an object that more people may read. The file is rendered a second time
    with masked secrets to find out where they are. No message quotes the file.

    Args:
        bundle: the templates the files were rendered from.
        role: the role whose services are read.
        files: the rendered files of the role.
        values: the variables the files were rendered with.

    Raises:
        RenderError: the file cannot be rendered with masked secrets.
    """
    file = next((file for file in files if file.path == COMPOSE_FILE), None)
    if file is None:
        return Problem(
            Reason.MISSING_COMPOSE_FILE,
            f"{role}/{COMPOSE_FILE}: not found in the templates; "
            "add the file, it declares the services of the role",
        )
    if not file.secret:
        plain = _parse(role, file)
        return plain if isinstance(plain, Problem) else RoleServices(plain)
    masked = _parse(role, _render_masked(bundle, role, values))
    if isinstance(masked, Problem):
        return masked
    secret_environment = {
        service.name: frozenset(name for name, value in service.environment if _MASK in value)
        for service in masked.services
    }
    if _MASK in json.dumps(asdict(_redact(masked, secret_environment)), ensure_ascii=False):
        return Problem(
            Reason.SECRET_IN_COMPOSE_FILE,
            f'{role}/{COMPOSE_FILE}: a secret is used outside of "environment"; '
            'use it in values of "environment" only, other fields are not confidential',
        )
    return _with_secrets(bundle, role, file, masked, secret_environment)


def _with_secrets(
    bundle: Bundle,
    role: str,
    file: RenderedFile,
    masked: ComposeFile,
    secret_environment: Mapping[str, frozenset[str]],
) -> RoleServices | Problem:
    """The file with its secrets, which must differ from the masked one in nothing else."""
    try:
        compose = parse_compose(file.content.decode())
    except ComposeError:  # the message could quote the secret
        compose = None
    if compose is None or _redact(compose, secret_environment) != _redact(
        masked, secret_environment
    ):
        return Problem(
            Reason.INVALID_COMPOSE_FILE,
            f"{role}/{COMPOSE_FILE}: not valid once a secret value is inserted (often a quote, "
            "a line break or a dollar sign); change the value, or quote it in the template",
        )
    if bundle.secret:  # the whole file is secret; only environment values can be moved to a Secret
        secret_environment = {
            service.name: frozenset(name for name, _ in service.environment)
            for service in compose.services
        }
    return RoleServices(compose, secret_environment)


def _render_masked(bundle: Bundle, role: str, values: Mapping[str, Value]) -> RenderedFile:
    """The compose file with a mask in place of each secret value."""
    masked_values = {
        name: Value(_MASK, secret=True) if value.secret else value for name, value in values.items()
    }
    only_compose_file = {
        path: content
        for path, content in bundle.roles[role].items()
        if path.removesuffix(".j2") == COMPOSE_FILE
    }
    rendered = render(
        replace(bundle, roles={role: only_compose_file}),
        masked_values,
        limits=RECONCILIATION_LIMITS,
    )
    return next(file for file in rendered[role] if file.path == COMPOSE_FILE)


def _redact(compose: ComposeFile, secret_environment: Mapping[str, frozenset[str]]) -> ComposeFile:
    """The compose file with empty values for the secret environment variables."""

    def redact(service: Service) -> Service:
        hidden = secret_environment.get(service.name, frozenset())
        environment = tuple(
            (name, "" if name in hidden else value) for name, value in service.environment
        )
        return replace(service, environment=environment)

    return replace(compose, services=tuple(redact(service) for service in compose.services))


def _parse(role: str, file: RenderedFile) -> ComposeFile | Problem:
    try:
        return parse_compose(file.content.decode())
    except ComposeError as error:
        return Problem(Reason.INVALID_COMPOSE_FILE, f"{role}/{COMPOSE_FILE}: {error}")
