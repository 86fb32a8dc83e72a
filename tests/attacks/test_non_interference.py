"""Two platforms that differ in their secrets only: nothing outside of Secrets tells them apart.

What may differ is the data of Secrets, and keyed hashes: in the names of Secrets with configuration
and in the digests of shared secrets. One bit is given away on purpose: whether a file can be used
with its secrets at all. Its message is one of few, and depends on nothing but the file.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.findings import Problem
from pryv_operator.api.kubernetes import WORKLOAD_KINDS
from pryv_operator.desired.state import Desired, compute_desired
from pryv_operator.leader.render_error import RenderError
from pryv_operator.leader.substitution import TooLargeError
from pryv_operator.leader.taint import MASK
from pryv_operator.rendering.parse_checks import DoesNotParseError
from pryv_operator.templates.builtin import load_release
from pryv_operator.templates.bundle import Bundle
from tests.examples import examples
from tests.unit.attacks_templates import own
from tests.unit.builders import inputs, platform

#: Texts that mean something to one of the readers on the way.
NASTY: Final = (
    "8080", "core:8080", "3000", "pa$word", "$word", "${HOME}", "${X", "${X:?gone}", "$$", "true",
    "null", "~", "0x10", "010", "1e3", '"', "'", "a\"b'c", "a\nb: c", "\n  web2: {image: b}", "#",
    ": ", "- a", "{", "}", "[1", "&a", "*a", "!tag x", "!reset", "|", ">", "%", "@", "`",
    "{{ DOMAIN }}",
    "{% if x %}", "DOMAIN", "CORE_SYSTEM_KEY", "TRUSTED_APPS", "a: b\na: c", "REPLACE",
    "</script>", "server pryv.github.io", "proxy_pass https://pryv.github.io", "replicaof a 1", "é",
    "\u2028", "\0", "x", "xy", "x" * 200, "*/", "//", "\\", "secret", "web", "image",
    "\x7f", " ", "a b", "\t",
)  # fmt: skip
_text = st.one_of(
    st.sampled_from(NASTY),
    st.lists(st.sampled_from(NASTY), min_size=2, max_size=4).map("".join),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
    st.from_regex(r"[a-z0-9]{32}", fullmatch=True),
)
#: Variable or path → what its Secret holds. Built-in templates, and those below, use them.
_SECRETS: Final[Mapping[str, st.SearchStrategy[str]]] = {
    "CORE_SYSTEM_KEY": _text.filter(str.strip),
    "REGISTER_ADMIN_KEY": _text.filter(str.strip),
    "TRUSTED_APPS": _text,
    "PLATFORM_NAME": _text,
    "SUPPORT_LINK": _text,
    "EMAIL_SMTP_SETTINGS.auth.pass": _text,
    "MFA_ENDPOINTS.single.headers.authorization": _text,
    "CUSTOM_AUTH_FUNCTION": _text,
    "INVITATION_TOKENS": st.lists(_text, max_size=3).map(json.dumps),
    "DNS_CUSTOM_ENTRIES": st.dictionaries(_text, st.just({"ip": "192.0.2.1"}) | _text).map(
        json.dumps
    ),
}
_verdicts = ("\n", "REPLACE_ME", "SECRET")


def _usable(text: str) -> bool:
    """Whether it is no text that is refused, or trimmed, by itself: that is told on purpose."""
    return not text.endswith("\n") and not any(each in text for each in _verdicts[1:])


_assignment = st.fixed_dictionaries(
    {name: values.filter(_usable) for name, values in _SECRETS.items()}
)
#: All that is told of a file that cannot be used with its secrets.
VERDICTS: Final = (
    RenderError.hidden_message,
    DoesNotParseError.hidden_message,
    TooLargeError.hidden_message,
    (
        "not valid once a secret value is inserted (often a quote, a line break or a dollar sign); "
        "change the value, or quote it in the template"
    ),
)
MANY = settings(max_examples=examples(60))

#: What users could write into a template of their own, with one secret S and one list L.
EXPRESSIONS: Final = (
    "{{ S }}",
    "{{ S|length }}",
    "{% if S == 'x' %}web:4001{% else %}web:4002{% endif %}",
    "{% if S|length > 5 %}web:4001{% endif %}",
    "{% if 'a' in S %}web:4001{% endif %}",
    "{% for c in S %}web:400{{ loop.index % 10 }} {% endfor %}",
    "{{ S|int + 1 }}",
    "{{ S[0] }}",
    "{{ S[1:3] }}",
    "{{ S[40] }}",
    "{{ S.split(':')[1] }}",
    "{{ undefined_name if S[0] == 'x' else 1 }}",
    "{% set t = S %}{{ t|upper }}",
    "{% macro m(v) %}{{ v }}:{{ v|length + 4000 }}{% endmacro %}{{ m(S) }}",
    "{% macro m() %}{{ S }}{% endmacro %}{{ m() }}",
    "{% set n = namespace(p=9) %}{% for c in S %}{% set n.p = n.p + 1 %}{% endfor %}web:4{{ n.p }}",
    "{% set d = {'k': S} %}{{ d.k }}web:{{ 4000 + d.k|length }}",
    "{{ [S, 'b', 'a']|sort|join(',') }}",
    "{{ [S]|map('upper')|list }}",
    "{{ [{'a': S}, {'a': 'x'}]|groupby('a') }}",
    "{{ {S: 1} }}",
    "{{ 'web:%s' % S }}",
    "{{ 'web:4000'|replace('4', S) }}",
    "{{ 'web:' ~ S }}",
    "{{ S|nginx }}",
    "{{ S|yaml }}",
    "{{ S|tojson }}",
    "{{ 'ab'|attr(S) }}",
    "{{ {'x': 1}[S] }}",
    "{% include S %}",
    "{{ range(S|length * 9000)|list|length }}",
    "{% for i in range(S|length) %}{% for j in range(2000) %}{{ j }}{% endfor %}{% endfor %}",
    "{{ S.no_such }}",
    "{{ S + 1 }}",
    "{{ L[0] }}web:{{ 4000 + L|length }}",
    "{% for t in L %}{{ t }}:4003\n{% endfor %}",
    "{% if L %}proxy_pass https://pryv.github.io;{% endif %}",
    "{{ S|indent(S|length) }}",
)
#: The same in files whose text is looked at, and in one that is parsed.
FILES: Final = (
    "web/conf/a.conf", "web/conf/a.json", "web/conf/register.json", "web/conf/core.yml",
    "web/conf/customAuthStepFn.js", "web/conf/a.hjson", "nginx/conf/nginx.conf", "redis/redis.conf",
)  # fmt: skip
#: Forms of a compose file that a secret is in; ``@`` is the secret.
COMPOSE: Final = (
    "services:\n  web:\n    image: a:1\n    environment:\n      A: @\n",
    "services:\n  web:\n    image: a:1\n    environment:\n      A: '@'\n",
    'services:\n  web:\n    image: a:1\n    environment:\n      A: "@"\n',
    "services:\n  web:\n    image: a:1\n    environment: ['A=@']\n",
    "services:\n  web:\n    image: a:1\n    environment: [A=@]\n",
    "services:\n  web:\n    image: a:1\n    environment: {A: x@y}\n",
    "services:\n  web:\n    image: a:@\n",
    "services:\n  web:\n    image: a:1\n    ports: ['@:80']\n",
    "services:\n  web:\n    image: a:1\n    command: echo @\n",
    "services:\n  web:\n    image: a:1\n    volumes: ['./@:/x']\n",
    "services:\n  web:\n    image: a:1\n    labels: ['@']\n",
    "services:\n  web:\n    image: a:1\n    x-note: '@'\n",
    "services:\n  web:\n    image: a:1\n    container_name: @\n",
    "services:\n  web:\n    image: a:1\n    @: x\n",
    "services:\n  @:\n    image: a:1\n",
    "services:\n  web:\n    image: a:1\n    environment:\n      @: A\n",
    "# @\nservices:\n  web:\n    image: a:1\n    no: [\n",
    "services:\n  web:\n    image: a:1\nx-a: {x: 1, @: 2}\n",
    "services:\n  web:\n    image: a:1\n    environment:\n      A: [@]\n",
    "@",
)
COMPOSE_JINJA: Final = (
    "services:\n  web:\n    image: a:1\n    environment:\n      A: {{ S|tojson }}\n",
    "services:\n  web:\n    image: a:1\n    environment:\n      A: {{ S|yaml }}\n",
    "services:\n  web:\n    image: a:{% if S|length > 8 %}1{% else %}2{% endif %}\n",
    "services:\n  web:\n    image: a:1\n{% if S == 'x' %}  web2:\n    image: b\n{% endif %}",
    "services:\n  web:\n    image: a:1\n    ports: ['{{ 4000 + S|length }}:80']\n",
    "services:\n  web:\n    image: a:1\n    environment:\n      A: '{{ S|length }}'\n",
    "services:\n  web:\n    image: a:1\n    environment:\n      A: '{{ 1 if 'a' in S else 2 }}'\n",
    "{% if S < 'm' %}{{ 1 / 0 }}{% endif %}services:\n  web:\n    image: a:1\n",
    "services:\n  web:\n    image: a:1\n{% for t in L %}    # {{ t }}\n{% endfor %}    no: [\n",
)
VOLUMES: Final = (
    "    volumes: ['./web/conf:/c:ro', './nginx/conf:/n:ro', './redis/redis.conf:/r.conf:ro']\n"
)
_PLAIN_COMPOSE: Final = "services:\n  web:\n    image: a:1\n  redis:\n    image: r:1\n"


def both(bundle: Bundle, *assignments: Mapping[str, str], **spec: Any) -> list[Desired]:
    """The desired states of one platform with different secrets."""
    listed = {name: {"secretKeyRef": {"name": "s", "key": "k"}} for name in assignments[0]}
    wanted = platform(**{"secrets": listed} | spec)
    first = inputs(wanted, bundle=bundle, secrets=dict(assignments[0]))
    return [
        compute_desired(replace(first, secrets={**first.secrets, **secrets}))
        for secrets in assignments
    ]


def public(found: Desired) -> str:
    """All that may be read without reading Secrets, with keyed hashes replaced."""
    shown = {
        each.name: getattr(found, each.name)
        for each in dataclasses.fields(found)
        if each.name not in ("objects", "services")
    }
    secrets = {
        item["metadata"]["name"]: "Secret "
        + item["metadata"]["name"][:-10]
        + ",".join(sorted(item["data"]))
        for item in found.objects
        if item["kind"] == "Secret"
    }
    objects = [
        item | ({"data": sorted(item["data"])} if item["kind"] == "Secret" else {})
        for item in (*found.services, *found.objects)
    ]
    text = json.dumps(objects, default=str, ensure_ascii=False)
    for name, readable in secrets.items():
        text = text.replace(name, readable)
    text = re.sub(r"[0-9a-f]{6}:[0-9a-f]{12}", "DIGEST", text)
    listed = sorted(json.dumps(each, sort_keys=True) for each in json.loads(text))
    return "\n".join([repr(shown), *listed])


def is_verdict(problem: Problem) -> bool:
    """Whether a problem says no more than that a file cannot be used with its secrets."""
    where, _, what = problem.message.partition(": ")
    return bool(re.fullmatch(r"[a-z-]+/[\w/.]+", where)) and what in VERDICTS


def check(bundle: Bundle, *assignments: Mapping[str, str], **spec: Any) -> None:
    """Nothing public differs, but that one of them may have verdicts.

    A third platform has masks for secrets. What is told besides the verdicts is told of it, too.
    """
    masks = {name: _MASKS.get(name, MASK) for name in assignments[0]}
    masked, *found = both(bundle, masks, *assignments, **spec)
    usable = [each for each in found if not any(map(is_verdict, each.problems))]
    for each in found:
        assert {one for one in each.problems if not is_verdict(one)} <= {*masked.problems}
    shown = {public(each) for each in usable if not each.problems}
    assert len(shown) <= 1


#: What stands for secrets that are no texts.
_MASKS: Final = {
    "INVITATION_TOKENS": json.dumps([MASK]),
    "DNS_CUSTOM_ENTRIES": json.dumps({MASK: MASK}),
}


@MANY
@given(_assignment, _assignment, st.sampled_from([{"reg-slave": {}}, {"singlenode": {}}]))
def test_built_in_templates(one: dict[str, str], other: dict[str, str], roles: Any) -> None:
    check(load_release(None), one, other, roles=roles)


def _secrets(text: str) -> dict[str, str]:
    """Two secrets that depend on one text, in their lengths too."""
    return {"TRUSTED_APPS": text, "INVITATION_TOKENS": json.dumps([text] * (len(text) % 4))}


@pytest.mark.parametrize("expression", EXPRESSIONS)
@settings(max_examples=examples(20))
@given(_text.filter(_usable), _text.filter(_usable), st.sampled_from(FILES))
def test_own_jinja_templates(expression: str, one: str, other: str, path: str) -> None:
    text = "{% set S = TRUSTED_APPS %}{% set L = INVITATION_TOKENS %}" + expression
    files = {"pryv.yml": _PLAIN_COMPOSE.replace("a:1\n", f"a:1\n{VOLUMES}"), f"{path}.j2": text}
    check(own(files, jinja=True), _secrets(one), _secrets(other))


@pytest.mark.parametrize("compose", [*COMPOSE_JINJA, *COMPOSE])
@settings(max_examples=examples(20))
@given(_text.filter(_usable), _text.filter(_usable))
def test_own_compose_files(compose: str, one: str, other: str) -> None:
    text = "{% set S = TRUSTED_APPS %}{% set L = INVITATION_TOKENS %}" + compose.replace(
        "@", "{{ S }}"
    )
    bundle = own({"pryv.yml.j2": text}, jinja=True)
    check(bundle, _secrets(one), _secrets(other))


@pytest.mark.parametrize("compose", COMPOSE)
@settings(max_examples=examples(20))
@given(_text.filter(_usable), _text.filter(_usable))
def test_compose_files_of_archives(compose: str, one: str, other: str) -> None:
    bundle = own({"pryv.yml": compose.replace("@", "TRUSTED_APPS")}, jinja=False)
    check(bundle, _secrets(one), _secrets(other))


@pytest.mark.parametrize("path", FILES)
@settings(max_examples=examples(40))
@given(
    _text.filter(_usable),
    _text.filter(_usable),
    st.lists(
        st.sampled_from(
            ["TRUSTED_APPS", "web:4001 ", "INVITATION_TOKENS", "NESTED", "web:TRUSTED_APPS", "\n",
             '{"a": "', '"}', "server ", "TRUSTED_APPS:4005", " pryv.github.io"]
        ),
        max_size=6,
    ).map("".join),
)  # fmt: skip
def test_files_of_archives(path: str, one: str, other: str, text: str) -> None:
    compose = _PLAIN_COMPOSE.replace("a:1\n", f"a:1\n{VOLUMES}")
    bundle = own({"pryv.yml": compose, path: text}, jinja=False)
    variables = {"NESTED": "web:4002 TRUSTED_APPS web:4003"}
    check(bundle, _secrets(one), _secrets(other), variables=variables)


@pytest.mark.parametrize("guess", ["the true value", "another value"])
def test_a_guess_is_no_use_of_a_shared_secret(guess: str) -> None:
    """A file with the value of a secret, found by chance, is as one with any other text."""
    mine = {"static": {"nginx/conf/guess.txt": guess.encode()}}
    (found,) = both(load_release(None).with_files(mine), {"CORE_SYSTEM_KEY": "the true value"})
    used = {
        item["metadata"]["name"]: item["metadata"]
        .get("annotations", {})
        .get(keys.SHARED_SECRETS, "")
        for item in found.objects
        if item["kind"] in WORKLOAD_KINDS
    }
    assert "CORE_SYSTEM_KEY" in used["acme-co1-core"]
    assert "CORE_SYSTEM_KEY" in used["acme-reg-register"]
    assert not used["acme-sw-reverse-proxy"]
    mounted = {
        text
        for item in found.objects
        if item["kind"] == "ConfigMap"
        for text in item.get("data", {}).values()
    }
    assert guess in mounted
