"""The targets: a function for each kind of input from outside, with the errors it may raise.

Any other error is a finding. An input of several parts is a text with a line ``=== NAME`` before
each part.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pydantic import ValidationError

from pryv_operator.api.instances import instances
from pryv_operator.api.platform import Platform
from pryv_operator.api.spec import PryvPlatformSpec
from pryv_operator.compose.error import ComposeError
from pryv_operator.compose.parse import parse_compose
from pryv_operator.desired.inputs import Inputs
from pryv_operator.desired.state import compute_desired
from pryv_operator.leader.javascript import TooLongError, stringify
from pryv_operator.leader.js_yaml import JsYamlError, load_yaml
from pryv_operator.leader.platform_yml import read_platform_yml
from pryv_operator.leader.render_error import RenderError
from pryv_operator.leader.substitution import Order, Substitution
from pryv_operator.leader.taint import Value
from pryv_operator.rendering import jinja
from pryv_operator.rendering.parse_checks import DoesNotParseError, check_parses
from pryv_operator.templates.archive import read_archive
from pryv_operator.templates.archive_limits import HELD_LIMIT, ArchiveError
from pryv_operator.templates.builtin import load_release
from pryv_operator.templates.bundle import UNSET
from pryv_operator.templates.leader_archive import read_leader_archive
from pryv_operator.templates.leader_conf import LeaderError
from pryv_operator.templates.leader_folder import read_leader
from tests.fuzz.target import Target

#: The value of the secret variable HIDDEN: a text that contains it must be marked as secret, and no
#: error may contain it.
_HIDDEN = "kept-from-everyone-7305"


def archive(data: bytes) -> None:
    """An archive as a user provides it, up to the leader in it."""
    with suppress(ArchiveError):
        files = read_archive(data)
        for path in files:
            assert path.isprintable()
            assert not {"", ".", ".."} & set(path.split("/")), "a path leaves its folder"
        assert sum(map(len, files.values())) <= HELD_LIMIT, "more is held than the limit"
    with suppress(ArchiveError, LeaderError):
        read_leader_archive(data)


def platform_yml(data: bytes) -> None:
    """A platform.yml, or any other YAML."""
    text = data.decode("utf-8", "replace")
    document = load_yaml(text)
    # Not suppressed: CircularError. No alias may refer to a collection that contains it.
    with suppress(TooLongError):
        stringify(document, 100_000)
    read_platform_yml(text, {"INTERNAL": "value"})


def leader(data: bytes) -> None:
    """The files of a leader's folder."""
    files = {path: text.encode("utf-8", "surrogateescape") for path, text in _parts(data)}
    found = read_leader(files, complete=False)
    for variable in found.bundle.variables.values():
        assert not (variable.secret and variable.default is not UNSET), (
            f"a secret is the default of {variable.name}"
        )
    json.dumps([dict(found.values), dict(found.internals)], allow_nan=False)


def compose(data: bytes) -> None:
    """A rendered pryv.yml."""
    found = parse_compose(data.decode("utf-8", "replace"))
    assert found.services
    for service in found.services:
        assert all(0 < port.host < 65536 and 0 < port.container < 65536 for port in service.ports)
        assert len({mount.target for mount in service.mounts}) == len(service.mounts)
        assert all(port.number in range(1, 65536) for port in service.inner_ports)
        assert all(".." not in mount.source.split("/") for mount in service.mounts)


def substitution(data: bytes) -> None:
    """Variables with any values, substituted in any text, in one of the two orders."""
    parts = dict(_parts(data))
    values = _values(parts.get("values", ""))
    order: Order = "leader" if len(data) % 2 else "longest"
    with _no_secret_in_errors(data):
        text = Substitution(values, order).apply(parts.get("text", ""))
        _check_secret(text.text, text.secret, data)
    for name in list(values)[:5]:
        with _no_secret_in_errors(data):
            value = Substitution(values, order).resolve(name)
            _check_secret(value.value, value.secret, data)


def template(data: bytes) -> None:
    """A Jinja template with others to include."""
    parts = dict(_parts(data))
    values = Substitution(_values(parts.pop("values", "")))
    with _no_secret_in_errors(data):
        text = jinja.render_template("file.j2", parts.pop("file.j2", ""), parts, values)
        _check_secret(text.text, text.secret, data)


def check(data: bytes) -> None:
    """A rendered file of each language whose syntax is checked."""
    text = data.decode("utf-8", "replace")
    for name in ("file.json", "file.yml", "file.hjson"):
        with suppress(DoesNotParseError):
            check_parses(name, text)


def spec(data: bytes) -> None:
    """The spec of a resource: any JSON."""
    found = PryvPlatformSpec.model_validate(_json(data))
    instances(found)
    written = found.model_dump(by_alias=True, exclude_none=True)
    again = PryvPlatformSpec.model_validate(written).model_dump(by_alias=True, exclude_none=True)
    assert again == written, "a spec changes when it is written and read"


def state(data: bytes) -> None:
    """The desired state of a platform with any valid spec."""
    platform = Platform(
        "acme",
        "pryv",
        "6fd4d5a6-0000-4000-8000-000000000001",
        PryvPlatformSpec.model_validate(_json(data)),
    )
    bundle = load_release(platform.spec.release)
    compute_desired(Inputs(platform, bundle, {}, b"key", {}, None))


# --- parts of the targets ---


class _NotApplicableError(Exception):
    """The bytes do not reach the code under test: not JSON, or not a map of values."""


def _parts(data: bytes) -> Iterator[tuple[str, str]]:
    text = "\n" + data.decode("utf-8", "surrogateescape")
    for part in text.split("\n=== ")[1:]:
        name, _, content = part.partition("\n")
        yield name, content


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise _NotApplicableError from None


def _values(text: str) -> dict[str, Value]:
    """Variables written as YAML, and the secret variable HIDDEN."""
    try:
        values = load_yaml(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    except JsYamlError:
        raise _NotApplicableError from None
    if not isinstance(values, dict):
        raise _NotApplicableError
    return {name: Value(value) for name, value in values.items()} | {
        "HIDDEN": Value(_HIDDEN, secret=True)
    }


def _check_secret(value: Any, secret: bool, data: bytes) -> None:
    with suppress(TooLongError):
        text = value if isinstance(value, str) else stringify(value, 1_000_000)
        assert secret or _HIDDEN not in text or _HIDDEN.encode() in data, (
            "a secret is in a text that is not marked as secret"
        )


@contextmanager
def _no_secret_in_errors(data: bytes) -> Iterator[None]:
    """Suppress a RenderError, unless it, its cause or its context contains the secret value."""
    try:
        yield
    except RenderError as error:
        each: BaseException | None = error
        while each:
            assert _HIDDEN not in str(each) or _HIDDEN.encode() in data, (
                "an error or its cause contains a secret"
            )
            each = each.__cause__ or each.__context__


def _fields(schema: Any) -> set[str]:
    """The names of fields and the values of enumerations in a JSON schema."""
    if isinstance(schema, list):
        return set().union(*map(_fields, schema))
    if not isinstance(schema, dict):
        return set()
    own = {
        *schema.get("properties", ()),
        *(each for each in schema.get("enum", ()) if isinstance(each, str)),
    }
    return own.union(*map(_fields, schema.values()))


def _tokens(text: str) -> tuple[bytes, ...]:
    return tuple(
        each.replace("␣", " ").replace("⏎", "\n").encode() for each in text.split(" ") if each
    )


_SPEC_TOKENS = tuple(
    name.encode() for name in sorted(_fields(PryvPlatformSpec.model_json_schema()))
) + _tokens(
    "co1 core mongodb reverse_proxy nginx register singlenode 10Gi 500m 192.0.2.7 DOMAIN "
    "CORE_HOSTING_1 "
    "EMAIL_SMTP_SETTINGS HOSTINGS_PROVIDERS DNS_CUSTOM_ENTRIES SERVICE_INFO_NAME "
    "REGISTER_ADMIN_KEY SECRET "
    "REPLACE_ME EMAIL_SMTP_SETTINGS.auth.pass a.example.com"
)
_YAML_TOKENS = _tokens(
    "␣ ⏎ ⏎␣␣ ⏎-␣ :␣ ?␣ -␣ { } [ ] , & * &a *a <<:␣*a !! !!str␣ !!int␣ !!timestamp␣ "
    "!<tag:yaml.org,2002:float>␣ "
    "! | > |2- ' \" \\x41 \\ud800 # --- ... %YAML␣1.1 ~ null true .inf .nan 0x1f 0o17 0b11 1e5 "
    "1.5 2024-01-01 "
    "2024-02-30T25:61:61.5+99:99 0000-00-00 9999-12-31T23:59:59-12:00 \ufeff \x85 \u2028 "
    "\ud7ff vars: settings: "
    "value: G: DOMAIN"
)

TARGETS = {
    "archive": Target(
        archive,
        (),
        shape="archive",
        tokens=_tokens(
            "conf/ data/ config-leader/ conf/platform.yml conf/config-leader.json "
            "conf/template-platform.yml "
            "data/core/pryv.yml ../ / ./ // ._x C: \\ .tgz .tar.gz path=a size=0 "
            "20␣path=aaaaaaaaaaaa⏎ "
            "GNU.sparse.major=1 config-follower/ reg-master single ustar ustar␣␣ é \x85"
        ),
        size=512 * 1024,
    ),
    "platform_yml": Target(platform_yml, (JsYamlError,), tokens=_YAML_TOKENS),
    "leader": Target(
        leader,
        (LeaderError,),
        tokens=_YAML_TOKENS
        + _tokens(
            "=== ⏎===␣conf/platform.yml⏎ ⏎===␣conf/template-platform.yml⏎ "
            "⏎===␣conf/config-leader.json⏎ "
            "⏎===␣data/core/pryv.yml⏎ internals platform followers url role SECRET REPLACE_ME "
            "CORE_1_IP_ADDRESS "
            "CORE_HOSTING_1 TEMPLATE_VERSION description optional EMAIL_SMTP_SETTINGS NaN"
        ),
    ),
    "compose": Target(
        compose,
        (ComposeError,),
        tokens=_YAML_TOKENS
        + _tokens(
            "services: image: volumes: ports: environment: networks: links: command: restart: "
            "container_name: ./ "
            "${PRYV_CONF_ROOT}/pryv/ $PRYV_CONF_ROOT/pryv/ :ro :rw /tcp /udp 80:80 127.0.0.1: "
            "$$ ${X} ${X:-a} ${X?} ~ null HOSTNAME= expose: tmpfs: entrypoint: aliases: "
            "type: bind volume source: target: published: host_ip: ./x/y.conf: 1-9:1-9 [::1]: "
            "version: core:"
        ),
    ),
    "substitution": Target(
        substitution,
        (_NotApplicableError,),
        size=64 * 1024,
        tokens=_YAML_TOKENS + _tokens("HIDDEN A B AB ABC A.B value: ⏎===␣text⏎ \U0001f600"),
        memory=256,
    ),
    "template": Target(
        template,
        (_NotApplicableError, RenderError),
        tokens=_YAML_TOKENS
        + _tokens(
            "{{ }} {% %} {# #} {%- -%} {{␣HIDDEN␣}} |tojson |yaml |nginx |indent(4) |join(',') "
            "|replace('a','b') "
            "|string |sort |groupby('a') |map('upper') |map(attribute='a') |select |unique "
            "|batch(3) |default(1) |int "
            "|round |dictsort |urlencode |title |first |last |length .a ['a'] [0] [1:9] [::-1] "
            "{%␣for␣x␣in␣A␣%} "
            "{%␣endfor␣%} {%␣if␣A␣%} {%␣else␣%} {%␣endif␣%} {%␣set␣x=A␣%} {%␣macro␣m(a)␣%} "
            "{%␣endmacro␣%} {{␣m(1)␣}} "
            "{%␣call␣m()␣%} {%␣endcall␣%} {%␣include␣'x'␣%} {%␣import␣'x'␣as␣y␣%} "
            "{%␣extends␣'x'␣%} {%␣block␣b␣%} "
            "{%␣endblock␣%} {%␣raw␣%} {%␣endraw␣%} range(9) range(9999) loop.index loop(x) "
            "recursive namespace(a=1) "
            "dict(a=1) ~ + - * ** / // % in not and or is␣defined is␣none is␣sameas == < "
            ".items() .split('a') "
            ".__class__ .format self.b() super() caller() varargs kwargs A B"
        ),
        size=32 * 1024,
        memory=256,
    ),
    "check": Target(
        check,
        (),
        tokens=_YAML_TOKENS
        + _tokens("{ } [ ] \" ''' # // /* */ : , 1e999 -0 \\u0041 \\ud83d NaN Infinity null"),
    ),
    "spec": Target(spec, (_NotApplicableError, ValidationError), shape="json", tokens=_SPEC_TOKENS),
    "state": Target(
        state,
        (_NotApplicableError, ValidationError),
        shape="json",
        tokens=_SPEC_TOKENS,
        size=16 * 1024,
    ),
}
