"""Reads the rendered ``pryv.yml`` of a role, and finds out which of its values are secret."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from typing import Final

from pryv_operator.api.findings import Problem
from pryv_operator.api.reasons import Reason
from pryv_operator.compose.error import ComposeError
from pryv_operator.compose.model import ComposeFile, Service
from pryv_operator.compose.parse import parse_compose
from pryv_operator.leader.taint import RenderedText, Value, is_masked, readable
from pryv_operator.objects.model import Component
from pryv_operator.rendering.files import RenderedFile, render_opaque
from pryv_operator.rendering.limits import RECONCILIATION_LIMITS
from pryv_operator.templates.bundle import Bundle

COMPOSE_FILE: Final = "pryv.yml"
#: Characters of a file that is kept for other platforms, at most; a single node's has some 6 KiB.
_KEPT_LENGTH: Final = 16 * 1024


def service_location(component: Component) -> str:
    """Where a component is declared, as messages begin: ``core/pryv.yml: service "mfa"``."""
    return f'{component.instance.role}/{COMPOSE_FILE}: service "{component.service.name}"'


@dataclass(frozen=True)
class RoleServices:
    """A role's compose file, and which of its environment variables hold a secret."""

    compose: ComposeFile
    #: Service → its environment variables whose value is a secret → the masked value.
    secret_environment: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def masked_compose_files(
    bundle: Bundle, roles: Iterable[str], values: Mapping[str, Value]
) -> dict[tuple[str, str], RenderedText]:
    """The compose files of roles (by role and path) with masks in the place of secrets.

    Without roles that have none, and empty if the templates themselves are secret. They are
    rendered before the files with the secrets, so that their errors are not seen where a template
    decides by a secret.

    Raises:
        RenderError: one cannot be rendered; a condition on a secret is such an error.
    """
    if bundle.secret:
        return {}
    files = [
        (role, COMPOSE_FILE)
        for role in roles
        if COMPOSE_FILE in map(bundle.output, bundle.roles.get(role, {}))
    ]
    return render_opaque(bundle, files, values, RECONCILIATION_LIMITS)


def read_compose_file(
    bundle: Bundle, role: str, files: Iterable[RenderedFile], masked: RenderedText | None
) -> RoleServices | Problem:
    """The services of a role, or why its compose file cannot be used.

    A secret may only be in values of ``environment``: they are moved to a Secret, while every other
    field becomes part of an object that more people may read. The file is rendered a second time
    with masks to find out where they are, and no template may decide by a secret. All messages are
    about the masked text.

    Args:
        bundle: the templates the files were rendered from.
        role: the role whose services are read.
        files: the rendered files of the role.
        masked: the file with masks, see ``masked_compose_files``.
    """
    file = next((file for file in files if file.path == COMPOSE_FILE), None)
    if file is None:
        return Problem(
            Reason.MISSING_COMPOSE_FILE,
            f"{role}/{COMPOSE_FILE}: not found in the templates; "
            "add the file, it declares the services of the role",
        )
    if bundle.secret or masked is None:
        return _read_secret_file(role, file)
    if not file.secret:
        plain = _read_public_file(role, file.content.decode())
        return plain if isinstance(plain, Problem) else RoleServices(plain)
    visible = _parse(role, masked.text)
    if isinstance(visible, Problem):
        return visible
    secret_environment = {
        service.name: {name: value for name, value in service.environment if is_masked(value)}
        for service in visible.services
    }
    if is_masked(json.dumps(asdict(_redact(visible, secret_environment)), ensure_ascii=False)):
        return Problem(
            Reason.SECRET_IN_COMPOSE_FILE,
            f'{role}/{COMPOSE_FILE}: a secret is used outside of "environment"; '
            'use it in values of "environment" only, other fields are not confidential',
        )
    return _with_secrets(role, file, visible, secret_environment)


def _with_secrets(
    role: str,
    file: RenderedFile,
    masked: ComposeFile,
    secret_environment: Mapping[str, Mapping[str, str]],
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
    return RoleServices(compose, secret_environment)


def _read_secret_file(role: str, file: RenderedFile) -> RoleServices | Problem:
    """A file of secret templates: all values of ``environment`` are secret, and no error quotes.

    What else it declares is in objects that more people may read.
    """
    try:
        compose = parse_compose(file.content.decode())
    except ComposeError:
        return Problem(
            Reason.INVALID_COMPOSE_FILE,
            f"{role}/{COMPOSE_FILE}: not a valid compose file; correct it (no details are shown, "
            "as the templates are in a Secret; docker compose config shows them)",
        )
    unset = ((path, name) for path, name in compose.unset_variables if not _is_environment(path))
    masked = _masked_environment(file)
    secret_environment = {
        service.name: {
            name: masked.get((service.name, name), "") for name, _ in service.environment
        }
        for service in compose.services
    }
    return RoleServices(replace(compose, unset_variables=tuple(unset)), secret_environment)


def _masked_environment(file: RenderedFile) -> dict[tuple[str, str], str]:
    """Service and variable → the value with masks in place of the platform's own secrets."""
    try:
        masked = parse_compose(file.masked or "")
    except ComposeError:
        return {}
    return {
        (service.name, name): value
        for service in masked.services
        for name, value in service.environment
    }


def _is_environment(path: str) -> bool:
    return path.endswith(".environment")


def _redact(
    compose: ComposeFile, secret_environment: Mapping[str, Mapping[str, str]]
) -> ComposeFile:
    """The compose file with empty values for the secret environment variables."""

    def redact(service: Service) -> Service:
        hidden = secret_environment.get(service.name, {})
        environment = tuple(
            (name, "" if name in hidden else value) for name, value in service.environment
        )
        return replace(service, environment=environment)

    return replace(compose, services=tuple(redact(service) for service in compose.services))


def _read_public_file(role: str, text: str) -> ComposeFile | Problem:
    """A file without secrets, read once: it is the same for most platforms of a release."""
    return _read_before(role, text) if len(text) <= _KEPT_LENGTH else _parse(role, text)


@lru_cache(maxsize=32)
def _read_before(role: str, text: str) -> ComposeFile | Problem:
    return _parse(role, text)


def _parse(role: str, text: str) -> ComposeFile | Problem:
    try:
        return parse_compose(text)
    except ComposeError as error:
        return Problem(
            Reason.INVALID_COMPOSE_FILE, f"{role}/{COMPOSE_FILE}: {readable(str(error))}"
        )
