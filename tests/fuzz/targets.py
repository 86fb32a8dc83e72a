"""What takes bytes from outside: one function for each, with the errors it may end in. All else is a fault.

Inputs of several parts are texts with a line ``=== NAME`` in front of each part.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from pydantic import ValidationError

from pryv_operator.api.instances import instances
from pryv_operator.api.platform import Platform
from pryv_operator.api.spec import PryvPlatformSpec
from pryv_operator.compose.parse import ComposeError, parse_compose
from pryv_operator.desired.inputs import Inputs
from pryv_operator.desired.state import compute_desired
from pryv_operator.leader.javascript import TooLongError, stringify
from pryv_operator.leader.js_yaml import JsYamlError, load_yaml
from pryv_operator.leader.platform_yml import read_platform_yml
from pryv_operator.leader.render_error import RenderError
from pryv_operator.leader.substitution import Order, Substitution
from pryv_operator.leader.taint import RenderedText, Value
from pryv_operator.rendering import jinja, jinja_sandbox
from pryv_operator.rendering.parse_checks import DoesNotParseError, check_parses
from pryv_operator.templates.archive import read_archive
from pryv_operator.templates.archive_limits import HELD_LIMIT, ArchiveError
from pryv_operator.templates.builtin import load_release
from pryv_operator.templates.bundle import UNSET
from pryv_operator.templates.leader_archive import read_leader_archive
from pryv_operator.templates.leader_conf import LeaderError
from pryv_operator.templates.leader_folder import read_leader
from tests.fuzz.engine import Target

#: The value of the variable HIDDEN in all rendering: where it comes out, the text is a secret; errors never hold it.
_HIDDEN = "kept-from-everyone-7305"


def archive(data: bytes) -> Iterable[object]:
    """An archive as it is received, from the first byte to the leader in it."""
    seen: list[object] = []
    try:
        files = read_archive(data)
    except ArchiveError as error:
        seen.append(error.reason)
    else:
        for path in files:
            assert path.isprintable()
            assert not {"", ".", ".."} & set(path.split("/")), "a path leads elsewhere"
        assert sum(map(len, files.values())) <= HELD_LIMIT, "more is held than the limit"
    try:
        read_leader_archive(data)
    except ArchiveError as error:
        seen.append(("leader", error.reason))
    except LeaderError as error:
        seen.append(("leader", error.file, _words(error.message)))
    return seen


def platform_yml(data: bytes) -> Iterable[object]:
    """A platform.yml, and any YAML."""
    text = data.decode("utf-8", "replace")
    seen: list[object] = []
    try:
        document = load_yaml(text)
    except JsYamlError as error:
        return [_words(error.message)]
    with suppress(
        TooLongError
    ):  # a CircularError would be a fault: no reference may lead to what it stands in
        stringify(document, 100_000)
    try:
        read_platform_yml(text, {"INTERNAL": "value"})
    except JsYamlError as error:
        seen.append(_words(error.message))
    return seen


def leader(data: bytes) -> Iterable[object]:
    """The files of a leader's folder."""
    files = {path: text.encode("utf-8", "surrogateescape") for path, text in _parts(data)}
    found = read_leader(files, complete=False)
    for variable in found.bundle.variables.values():
        assert not (variable.secret and variable.default is not UNSET), (
            f"a secret is kept as the default of {variable.name}"
        )
    json.dumps([dict(found.values), dict(found.internals)], allow_nan=False)
    return [
        found.generation,
        found.has_template,
        *(variable.type for variable in found.bundle.variables.values()),
    ]


def compose(data: bytes) -> Iterable[object]:
    """A rendered pryv.yml."""
    found = parse_compose(data.decode("utf-8", "replace"))
    assert found.services
    for service in found.services:
        assert all(0 < port.host < 65536 and 0 < port.container < 65536 for port in service.ports)
        assert all(".." not in mount.source.split("/") for mount in service.mounts)
    return ()


def substitution(data: bytes) -> Iterable[object]:
    """Variables of any value put into any text, in one of the two orders."""
    parts = dict(_parts(data))
    values = _values(parts.get("values", ""))
    seen: list[object] = []
    order: Order = "leader" if len(data) % 2 else "longest"
    try:
        made = Substitution(values, order)
    except RenderError as error:
        return [_refused(error, data)]
    wanted: list[Callable[[Substitution], RenderedText | Value]] = [
        partial(Substitution.apply, text=parts.get("text", ""))
    ]
    wanted += [partial(Substitution.resolve, name=name) for name in list(values)[:5]]
    for each in wanted:
        try:
            result = each(made)
        except RenderError as error:
            seen.append(_refused(error, data))
        else:
            _check_secret(
                result.text if isinstance(result, RenderedText) else result.value,
                result.secret,
                data,
            )
    return seen


def template(data: bytes) -> Iterable[object]:
    """A Jinja template with others to include."""
    parts = dict(_parts(data))
    jinja_sandbox._compiled.cache_clear()  # what is compiled already takes no steps
    made = Substitution(_values(parts.pop("values", "")))
    try:
        text = jinja.render_template("file.j2", parts.pop("file.j2", ""), parts, made)
    except RenderError as error:
        return [_refused(error, data)]
    _check_secret(text.text, text.secret, data)
    return ()


def check(data: bytes) -> Iterable[object]:
    """A rendered file of each language that is checked."""
    text = data.decode("utf-8", "replace")
    seen: list[object] = []
    for name in ("file.json", "file.yml", "file.hjson"):
        try:
            check_parses(name, text)
        except DoesNotParseError as error:
            seen.append(error.language)
    return seen


def spec(data: bytes) -> Iterable[object]:
    """The spec of a resource, as the API server gives it (any JSON)."""
    try:
        found = PryvPlatformSpec.model_validate(_json(data))
    except ValidationError as error:
        return [
            (
                ".".join(str(step) for step in each["loc"] if isinstance(step, str))[:60],
                each["type"],
            )
            for each in error.errors()
        ]
    instances(found)
    written = found.model_dump(by_alias=True, exclude_none=True)
    assert (
        PryvPlatformSpec.model_validate(written).model_dump(by_alias=True, exclude_none=True)
        == written
    ), "a written spec reads as another"
    return _paths(written)


def state(data: bytes) -> Iterable[object]:
    """The whole desired state of a platform whose spec the models take."""
    platform = Platform(
        "acme",
        "pryv",
        "6fd4d5a6-0000-4000-8000-000000000001",
        PryvPlatformSpec.model_validate(_json(data)),
    )
    bundle = load_release(platform.spec.release)
    found = compute_desired(Inputs(platform, bundle, {}, b"key", {}, None))
    return [problem.reason for problem in (*found.problems, *found.warnings)]


# --- parts of the targets ---


class _NotForThisError(Exception):
    """Bytes that never get to the target: they are no JSON, or no map of values."""


def _parts(data: bytes) -> Iterator[tuple[str, str]]:
    text = "\n" + data.decode("utf-8", "surrogateescape")
    for part in text.split("\n=== ")[1:]:
        name, _, content = part.partition("\n")
        yield name, content


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise _NotForThisError from None


def _values(text: str) -> dict[str, Value]:
    """Variables written as YAML; the last one is HIDDEN, which is secret."""
    try:
        values = load_yaml(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    except JsYamlError:
        raise _NotForThisError from None
    if not isinstance(values, dict):
        raise _NotForThisError
    return {name: Value(value) for name, value in values.items()} | {
        "HIDDEN": Value(_HIDDEN, secret=True)
    }


def _check_secret(value: Any, secret: bool, data: bytes) -> None:
    with suppress(TooLongError):
        text = value if isinstance(value, str) else stringify(value, 1_000_000)
        assert secret or _HIDDEN not in text or _HIDDEN.encode() in data, (
            "a secret is in a text that is not known to be secret"
        )


def _refused(error: RenderError, data: bytes) -> tuple[str, str]:
    behind: BaseException | None = error
    while behind:
        assert _HIDDEN not in str(behind) or _HIDDEN.encode() in data, (
            "an error, or one that hangs on it, holds a secret"
        )
        behind = behind.__cause__ or behind.__context__
    return type(error).__name__, _words(error.message)


def _words(message: str) -> str:
    """A message without the names and numbers in it."""
    return re.sub(r"\S*[^a-z ,:;]\S*", "", message)[:80]


def _paths(value: Any, path: str = "") -> list[object]:
    if isinstance(value, dict) and path.count(".") < 5:
        return [
            path,
            *(each for key, child in value.items() for each in _paths(child, f"{path}.{key}")),
        ][:200]
    return [path, type(value).__name__]


def _fields(schema: Any) -> set[str]:
    """Names of fields, and words of enumerations, in a JSON schema."""
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
    "co1 core mongodb reverse_proxy nginx register singlenode 10Gi 500m 192.0.2.7 DOMAIN CORE_HOSTING_1 "
    "EMAIL_SMTP_SETTINGS HOSTINGS_PROVIDERS DNS_CUSTOM_ENTRIES SERVICE_INFO_NAME REGISTER_ADMIN_KEY SECRET "
    "REPLACE_ME EMAIL_SMTP_SETTINGS.auth.pass a.example.com"
)
_YAML_TOKENS = _tokens(
    "␣ ⏎ ⏎␣␣ ⏎-␣ :␣ ?␣ -␣ { } [ ] , & * &a *a <<:␣*a !! !!str␣ !!int␣ !!timestamp␣ !<tag:yaml.org,2002:float>␣ "
    "! | > |2- ' \" \\x41 \\ud800 # --- ... %YAML␣1.1 ~ null true .inf .nan 0x1f 0o17 0b11 1e5 1.5 2024-01-01 "
    "2024-02-30T25:61:61.5+99:99 0000-00-00 9999-12-31T23:59:59-12:00 \ufeff \x85 \u2028 \ud7ff vars: settings: "
    "value: G: DOMAIN"
)

TARGETS = {
    "archive": Target(
        archive,
        (),
        shape="archive",
        tokens=_tokens(
            "conf/ data/ config-leader/ conf/platform.yml conf/config-leader.json conf/template-platform.yml "
            "data/core/pryv.yml ../ / ./ // ._x C: \\ .tgz .tar.gz path=a size=0 20␣path=aaaaaaaaaaaa⏎ "
            "GNU.sparse.major=1 config-follower/ reg-master single ustar ustar␣␣ é \x85"
        ),
        watched=("/pryv_operator/templates/", "/tarfile.py"),
        size=512 * 1024,
    ),
    "platform_yml": Target(platform_yml, (), tokens=_YAML_TOKENS, watched=("/pryv_operator/",)),
    "leader": Target(
        leader,
        (LeaderError,),
        tokens=_YAML_TOKENS
        + _tokens(
            "=== ⏎===␣conf/platform.yml⏎ ⏎===␣conf/template-platform.yml⏎ ⏎===␣conf/config-leader.json⏎ "
            "⏎===␣data/core/pryv.yml⏎ internals platform followers url role SECRET REPLACE_ME CORE_1_IP_ADDRESS "
            "CORE_HOSTING_1 TEMPLATE_VERSION description optional EMAIL_SMTP_SETTINGS NaN"
        ),
    ),
    "compose": Target(
        compose,
        (ComposeError,),
        tokens=_YAML_TOKENS
        + _tokens(
            "services: image: volumes: ports: environment: networks: links: command: restart: container_name: ./ "
            "${PRYV_CONF_ROOT}/pryv/ $PRYV_CONF_ROOT/pryv/ :ro :rw /tcp /udp 80:80 127.0.0.1: $$ ${X} HOSTNAME= "
            "version: core:"
        ),
        watched=("/pryv_operator/compose/", "/yaml/constructor.py"),
    ),
    "substitution": Target(
        substitution,
        (_NotForThisError,),
        size=64 * 1024,
        tokens=_YAML_TOKENS + _tokens("HIDDEN A B AB ABC A.B value: ⏎===␣text⏎ \U0001f600"),
        memory=256,
    ),
    "template": Target(
        template,
        (_NotForThisError, RenderError),
        tokens=_YAML_TOKENS
        + _tokens(
            "{{ }} {% %} {# #} {%- -%} {{␣HIDDEN␣}} |tojson |yaml |nginx |indent(4) |join(',') |replace('a','b') "
            "|string |sort |groupby('a') |map('upper') |map(attribute='a') |select |unique |batch(3) |default(1) |int "
            "|round |dictsort |urlencode |title |first |last |length .a ['a'] [0] [1:9] [::-1] {%␣for␣x␣in␣A␣%} "
            "{%␣endfor␣%} {%␣if␣A␣%} {%␣else␣%} {%␣endif␣%} {%␣set␣x=A␣%} {%␣macro␣m(a)␣%} {%␣endmacro␣%} {{␣m(1)␣}} "
            "{%␣call␣m()␣%} {%␣endcall␣%} {%␣include␣'x'␣%} {%␣import␣'x'␣as␣y␣%} {%␣extends␣'x'␣%} {%␣block␣b␣%} "
            "{%␣endblock␣%} {%␣raw␣%} {%␣endraw␣%} range(9) range(9999) loop.index loop(x) recursive namespace(a=1) "
            "dict(a=1) ~ + - * ** / // % in not and or is␣defined is␣none is␣sameas == < .items() .split('a') "
            ".__class__ .format self.b() super() caller() varargs kwargs A B"
        ),
        watched=(
            "/pryv_operator/rendering/",
            "/jinja2/parser.py",
            "/jinja2/filters.py",
            "/jinja2/runtime.py",
            "/jinja2/sandbox.py",
        ),
        size=32 * 1024,
        memory=256,
    ),
    "check": Target(
        check,
        (),
        tokens=_YAML_TOKENS
        + _tokens("{ } [ ] \" ''' # // /* */ : , 1e999 -0 \\u0041 \\ud83d NaN Infinity null"),
        watched=("/pryv_operator/", "/hjson/"),
    ),
    "spec": Target(spec, (_NotForThisError,), shape="json", tokens=_SPEC_TOKENS),
    "state": Target(
        state,
        (_NotForThisError, ValidationError),
        shape="json",
        tokens=_SPEC_TOKENS,
        size=16 * 1024,
    ),
}
