"""Small leader's folders, and what they are imported as."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Iterable, Mapping
from typing import Any

from pryv_operator.importer.import_leader import Imported, Options, import_leader
from pryv_operator.offline.documents import read_documents
from pryv_operator.offline.preview import prepare_inputs, render_files
from pryv_operator.templates.archive import read_archive
from pryv_operator.templates.leader_folder import Leader, read_leader

COMPOSE = (
    b"services:\n  %s:\n    image: registry.example.test/%s:1\n"
    b"    volumes:\n    - ./%s/conf/:/app/conf/:ro\n"
)
ROLES = ("core", "reg-master", "static")
INTERNALS = {
    "CORE_SYSTEM_KEY": "core-system-key-0123",
    "SSO_COOKIE_SIGN_SECRET": "sso-cookie-secret-0123",
}
CURRENT: dict[str, Any] = {
    "DOMAIN": "pryv.acme.test",
    "REG_MASTER_IP_ADDRESS": "203.0.113.1",
    "STATIC_WEB_IP_ADDRESS": "203.0.113.2",
    "HOSTINGS_AND_CORES": {"geneva": {"co1": {"ip": "203.0.113.3"}}},
    "REGISTER_ADMIN_KEY": "register-admin-key-0123",
    "PLATFORM_NAME": "Acme Health",
}
OLD: dict[str, Any] = {
    **INTERNALS,
    "DOMAIN": "pryv.acme.test",
    "REG_MASTER_IP_ADDRESS": "203.0.113.1",
    "STATIC_WEB_IP_ADDRESS": "203.0.113.2",
    "CORE_1_IP_ADDRESS": "203.0.113.3",
    "CORE_HOSTING_1": "geneva",
    "REGISTER_ADMIN_KEY_1": "register-admin-key-0123",
    "SUPPORT_LINK": "https://acme.test/support",
}


def templates(
    variables: Mapping[str, Any],
    roles: tuple[str, ...] = ROLES,
    extra: Mapping[str, bytes] | None = None,
) -> dict[str, bytes]:
    """``data/``: a compose file for each role, and one file of core's that names all variables."""
    files = {f"data/{role}/pryv.yml": COMPOSE % ((role.encode(),) * 3) for role in roles}
    lines = "".join(f"{json.dumps(name.lower())} = {name}\n" for name in (*INTERNALS, *variables))
    first = "core" if "core" in roles else roles[0]
    return files | {f"data/{first}/core/conf/all.conf": lines.encode()} | dict(extra or {})


def current(
    *,
    template: Mapping[str, Any] | None = None,
    files: Mapping[str, bytes] | None = None,
    unused: Mapping[str, Any] | None = None,
    nulls: Iterable[str] = (),
    **changes: Any,
) -> Leader:
    """A leader of 1.6 or later.

    ``changes`` are values (None: no such variable), ``unused`` are values that no file uses,
    ``nulls`` are variables with the value null.
    """
    given = {name: value for name, value in (CURRENT | changes).items() if value is not None}
    given |= dict.fromkeys(nulls)
    conf = {
        "conf/platform.yml": _platform(given | dict(unused or {})),
        "conf/config-leader.json": _settings({"internals": INTERNALS}),
    }
    if template is not None:
        conf["conf/template-platform.yml"] = _platform(template)
    return read_leader(conf | templates(given) | dict(files or {}))


def old(**changes: Any) -> Leader:
    """A leader of 2019; None removes a variable."""
    given = {name: value for name, value in (OLD | changes).items() if value is not None}
    return read_leader(
        {"conf/config-leader.json": _settings({"platform": given, "adminKey": "leader-admin-key"})}
        | templates(given)
    )


def _platform(values: Mapping[str, Any]) -> bytes:
    document = {
        "vars": {"G": {"settings": {name: {"value": value} for name, value in values.items()}}}
    }
    # JSON is YAML, except for characters that YAML refuses or takes for line breaks: escaped.
    text = json.dumps(document, ensure_ascii=False)
    return "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in text).encode()


def _settings(document: Mapping[str, Any]) -> bytes:
    followers = {"follower-key-0123456789": {"url": "https://co1.DOMAIN", "role": "core"}}
    return json.dumps({"followers": followers, **document}).encode()


NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def imported(leader: Leader, *, now: dt.datetime = NOW, **options: Any) -> Imported:
    """The import of a leader."""
    return import_leader(leader, Options(**options), now)


def spec(of: Imported) -> dict[str, Any]:
    """``spec`` of the platform."""
    return read_documents([("platform.yaml", of.text("platform.yaml"))]).platform.spec.model_dump(
        by_alias=True, exclude_unset=True
    )


def secrets(of: Imported) -> dict[str, str]:
    """The secret values by key."""
    contents = read_documents(
        [(file.name, file.text) for file in of.files if file.name.endswith(".yaml")]
    ).contents
    return {key: content.decode() for key, content in contents[("Secret", "pryv-secrets")].items()}


def archive(of: Imported) -> dict[str, bytes]:
    """The files of the platform's own templates, by path."""
    documents = read_documents(
        [(file.name, file.text) for file in of.files if file.name.endswith(".yaml")]
    )
    ((content,),) = (
        each.values() for (_, name), each in documents.contents.items() if name == "pryv-templates"
    )
    return dict(read_archive(content))


def files(of: Imported) -> dict[str, bytes]:
    """What the imported platform renders: role/path → content."""
    documents = read_documents(
        [(file.name, file.text) for file in of.files if file.name.endswith(".yaml")]
    )
    rendered = render_files(prepare_inputs(documents, show_secrets=True).inputs).by_role
    return {
        f"{role}/{file.path}": file.content for role, found in rendered.items() for file in found
    }


def everything_readable(of: Imported) -> str:
    """All files of an import except secret ones, with archives unpacked and as base64."""
    texts = [file.text for file in of.files if not file.secret]
    unpacked = (
        archive(of).values()
        if any(file.name == "templates.yaml" and not file.secret for file in of.files)
        else ()
    )
    encoded = [base64.b64encode(text.encode()).decode() for text in texts]
    return "\n".join(
        [*texts, *encoded, *(content.decode("utf-8", "replace") for content in unpacked)]
    )
