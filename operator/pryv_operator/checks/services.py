"""Judges open ports, the service information, the mail server and image registries. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pryv_operator.api.kubernetes import Object
from pryv_operator.checks.declarations import Check
from pryv_operator.checks.expected import Image, MailSettings
from pryv_operator.checks.rows import Row, fail, ok, skipped, warn

_UNKNOWN: Final = "its address is not known before the platform is installed"
#: What of the service information a client uses, and so is compared.
_COMPARED: Final = (
    "name", "register", "access", "api", "home", "support", "terms", "eventTypes", "assets",
)  # fmt: skip
#: Of another product's answer at most so many characters are quoted.
_QUOTED: Final = 80
#: Waiting reasons of the kubelet when an image cannot be pulled.
_PULL_FAILURES: Final = (
    "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull",
    "RegistryUnavailable",
)  # fmt: skip


def port_row(subject: str, address: str | None, port: int, error: str) -> Row:
    """Whether a TCP port accepts connections. ``error``: why not; empty: it does."""
    subject = f"{subject}, port {port}"
    if address is None:
        return skipped(Check.PORT, subject, _UNKNOWN)
    if error:
        return fail(Check.PORT, subject, f"{address}: {error}")
    return ok(Check.PORT, subject, f"{address}: open")


# --- service information ---


@dataclass(frozen=True)
class HttpAnswer:
    """The answer of a web server; ``error``: why it did not answer."""

    status: int = 0
    body: bytes = field(default=b"", repr=False)
    error: str = ""


def service_information(
    url: str, address: str | None, expected: Mapping[str, Any], answer: HttpAnswer
) -> Row:
    """Whether register answers with the values of this platform."""
    if address is None:
        return skipped(Check.SERVICE_INFORMATION, url, _UNKNOWN)
    if answer.error:
        return fail(Check.SERVICE_INFORMATION, url, f"{address}: {answer.error}")
    if answer.status != 200:
        return fail(Check.SERVICE_INFORMATION, url, f"{address}: HTTP status {answer.status}")
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, Mapping):
        return fail(Check.SERVICE_INFORMATION, url, "the answer is not a JSON object")
    differing = [
        f"{key}: {_quoted(found.get(key))} instead of {_quoted(expected[key])}"
        for key in _COMPARED
        if key in expected and not _same(found.get(key), expected[key])
    ]
    if differing:
        return fail(Check.SERVICE_INFORMATION, url, "; ".join(differing[:3]))
    return ok(Check.SERVICE_INFORMATION, url, f"name {_quoted(found.get('name'))}, as in the spec")


def _same(found: Any, expected: Any) -> bool:
    """Whether two values are equal; of URLs, a final slash does not count."""
    if isinstance(found, str) and isinstance(expected, str):
        return found.rstrip("/") == expected.rstrip("/")
    return bool(found == expected)


def _quoted(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"


# --- e-mail ---


@dataclass(frozen=True)
class MailAnswer:
    """What a mail server did.

    ``encrypted``: TLS was negotiated. ``login``: None: not tried; else whether it succeeded.
    ``error``: where it failed, with the code of the answer and never its text, which may quote what
    was sent. ``sent``: None: not tried. ``reached``: a connection was made.
    """

    encrypted: bool = False
    login: bool | None = None
    error: str = ""
    sent: bool | None = None
    sent_error: str = ""
    reached: bool = True


def mail_rows(
    settings: MailSettings, answer: MailAnswer | None, recipient: str | None
) -> list[Row]:
    """The mail server; ``answer`` None: it was not asked."""
    check, subject = Check.MAIL_SERVER, settings.server if settings.host else "EMAIL_SMTP_SETTINGS"
    if settings.problem or answer is None:
        return [skipped(check, subject, settings.problem or "not asked")]
    if answer.error and not answer.reached and _is_inside_the_cluster(settings.host):
        return [skipped(check, subject, "only pods of the cluster reach this name; try it in one")]
    if answer.error:
        return [fail(check, subject, answer.error)]
    secured = "encrypted" if answer.encrypted else "not encrypted"
    if settings.user and answer.login is None:
        found = f"connected, {secured}; the login was not tried, as the password is not known"
        remedy = f"ask for permission to read the Secret, or check the login of {settings.user}"
        rows = [warn(check, subject, found, remedy)]
    elif not answer.encrypted:
        sends = "the password is sent in clear" if settings.user else "e-mails are sent in clear"
        rows = [
            warn(check, subject, f"connected; {sends}", "use a mail server with STARTTLS or TLS")
        ]
    else:
        login = f"logged in as {settings.user}" if settings.user else "no login is configured"
        rows = [ok(check, subject, f"{secured}; {login}")]
    if recipient and answer.sent is not None:
        found = f"from {settings.sender} to {recipient}"
        rows.append(
            ok(Check.MAIL_SENT, subject, f"{found}: accepted")
            if answer.sent
            else fail(Check.MAIL_SENT, subject, f"{found}: {answer.sent_error}")
        )
    return rows


def _is_inside_the_cluster(host: str) -> bool:
    """Whether the name is one of the cluster's DNS: of a Service, in full or not."""
    name = host.rstrip(".")
    return name.endswith((".svc", ".cluster.local")) or ".svc." in name


# --- images ---


@dataclass(frozen=True)
class RegistryAnswer:
    """What a registry answered for an image. ``logged_in``: with a login of a pull Secret.

    ``error``: why it could not be asked. ``skipped``: why it was not asked.
    """

    status: int = 0
    logged_in: bool = False
    error: str = ""
    skipped: str = ""


def image_row(image: Image, pods: Iterable[Object], answer: RegistryAnswer | None) -> Row:
    """Whether an image can be pulled: by what nodes did, else by what its registry says."""
    check, subject = Check.IMAGE, image.image
    by_node = _node_result(image.image, pods)
    if by_node is not None:
        found, pulled = by_node
        return ok(check, subject, found) if pulled else fail(check, subject, found)
    if answer is None:
        return skipped(check, subject, "no pod has pulled it, and its registry was not asked")
    if answer.skipped:
        return skipped(check, subject, answer.skipped)
    if answer.error:
        return warn(
            check, subject, f"registry: {answer.error}",
            "try it from a node: it may reach a registry that this machine does not",
        )  # fmt: skip
    login = "with the login of a pull Secret" if answer.logged_in else "without a login"
    match answer.status:
        case 200:
            return ok(check, subject, f"in its registry, {login}")
        case 401 | 403:
            return fail(
                check, subject, f"the registry refuses it {login} (HTTP status {answer.status})",
                "correct the login in the Secrets of spec.imagePullSecrets",
            )  # fmt: skip
        case 404:
            return fail(check, subject, "not found in its registry")
        case status:
            return warn(check, subject, f"registry: HTTP status {status}", "try again later")


def needs_registry(image: Image, pods: Iterable[Object]) -> bool:
    """Whether no node has shown that an image can be pulled, or that it cannot."""
    return _node_result(image.image, pods) is None


def _node_result(image: str, pods: Iterable[Object]) -> tuple[str, bool] | None:
    """What nodes found, and whether the image was pulled; None: nothing is known."""
    pulled = 0
    for pod in pods:
        status = pod.get("status") or {}
        spec = pod.get("spec") or {}
        images = {
            each["name"]: each.get("image")
            for listed in ("containers", "initContainers")
            for each in spec.get(listed) or ()
        }
        for listed in ("containerStatuses", "initContainerStatuses"):
            for each in status.get(listed) or ():
                if images.get(each.get("name")) != image:
                    continue
                waiting = (each.get("state") or {}).get("waiting") or {}
                if waiting.get("reason") in _PULL_FAILURES:
                    return f'pod "{pod["metadata"]["name"]}": {waiting["reason"]}', False
                pulled += bool(each.get("imageID"))
    return (f"pulled for {pulled} {'pods' if pulled > 1 else 'pod'}", True) if pulled else None


def pull_login(registry: str, configs: Sequence[Mapping[str, Any]]) -> str | None:
    """The login (base64 of USER:PASSWORD) for a registry in the ``auths`` of pull Secrets.

    ``configs``: the parsed ``.dockerconfigjson`` of each. Keys are host names, or URLs with one.
    """
    wanted = {registry, *(_DOCKER_HUB if registry in _DOCKER_HUB else ())}
    for config in configs:
        auths = config.get("auths")
        for key, entry in auths.items() if isinstance(auths, Mapping) else ():
            host = str(key).removeprefix("https://").removeprefix("http://").partition("/")[0]
            if host not in wanted or not isinstance(entry, Mapping):
                continue
            if isinstance(entry.get("auth"), str) and entry["auth"]:
                return str(entry["auth"])
            if entry.get("username") and entry.get("password"):
                login = f"{entry['username']}:{entry['password']}"
                return base64.b64encode(login.encode()).decode()
    return None


_DOCKER_HUB: Final = ("docker.io", "index.docker.io", "registry-1.docker.io")
