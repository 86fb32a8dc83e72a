"""Jinja templates: what they read and print, their limits, and how failures are reported."""

from __future__ import annotations

import gc
import time
from types import CodeType, FunctionType, ModuleType
from typing import Any

import crossplane
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.leader.js_yaml import load_yaml
from pryv_operator.leader.platform_yml import UNDEFINED
from pryv_operator.leader.substitution import RecursionLoopError, Substitution, TooLargeError
from pryv_operator.leader.taint import MASK, RenderedText, Value
from pryv_operator.rendering.jinja import Templates, render_template
from pryv_operator.rendering.jinja_budget import WORK_LIMIT, Budget
from pryv_operator.rendering.jinja_errors import TemplateFailedError
from pryv_operator.rendering.jinja_sandbox import Sandboxes


def _render(
    source: str,
    /,
    *,
    shared: dict[str, str] | None = None,
    secret: dict[str, Any] | None = None,
    **values: Any,
) -> RenderedText:
    tainted = {name: Value(value, secret=True) for name, value in (secret or {}).items()}
    return render_template(
        "a.j2",
        source,
        shared or {},
        Substitution({name: Value(value) for name, value in values.items()} | tainted),
    )


def _text(source: str, /, **values: Any) -> str:
    return _render(source, **values).text


class TestPrinting:
    """Values are printed as the leader would insert them."""

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("a", "a"),
            (True, "true"),
            (None, "null"),
            (1.0, "1"),
            (1e21, "1e+21"),
            ({"z": [1, "é"], "1": None}, '{"1":null,"z":[1,"é"]}'),
        ],
    )
    def test_values(self, value: Any, text: str) -> None:
        assert _text("{{ X }}", X=value) == text
        assert _text("{{ X ~ '' }}", X=value) == text
        assert _text("{{ X | string }}", X=value) == text

    def test_values_are_resolved_and_the_output_is_not_substituted_again(self) -> None:
        assert (
            _text("{{ URL }} DOMAIN", URL="https://DOMAIN/", DOMAIN="p.m") == "https://p.m/ DOMAIN"
        )

    def test_types_are_preserved(self) -> None:
        source = (
            "{% for name, core in CORES | dictsort %}{{ name }}={{ core.ip }};{% endfor %}"
            "{{ N + 1 }}{{ 'x' if not FLAG }}"
        )
        assert (
            _text(source, CORES={"b": {"ip": "IP"}, "a": {"ip": 2}}, IP="1.2.3.4", N=20, FLAG=False)
            == "a=2;b=1.2.3.4;21x"
        )

    def test_json_of_a_text_is_quoted(self) -> None:
        assert _text("{{ X | tojson }}", X='say "hi"\n') == '"say \\"hi\\"\\n"'

    def test_whitespace(self) -> None:
        assert _text("{% if true %}\n  a\n  {% endif %}\nb\n") == "  a\nb\n"

    def test_nothing_is_escaped_for_html(self) -> None:
        assert _text("{{ X }}", X="<&>'") == "<&>'"

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        )
    )
    def test_yaml_reads_back_equal(self, value: Any) -> None:
        written = _text(
            "a: {{ A_NAME_OF_ITS_OWN | yaml }}\nb: {{ A_NAME_OF_ITS_OWN | yaml }}\n",
            A_NAME_OF_ITS_OWN=[value],
        )
        read = load_yaml(written)
        assert read["a"] == read["b"] == yaml.safe_load(written)["a"]
        assert load_yaml(
            f"a: {_text('{{ A_NAME_OF_ITS_OWN | tojson | yaml }}', A_NAME_OF_ITS_OWN=[value])}"
        )["a"] == _text("{{ A_NAME_OF_ITS_OWN | tojson }}", A_NAME_OF_ITS_OWN=[value])

    def test_indent_join_and_replace(self) -> None:
        assert _text("{{ X | indent(2) }}", X="a\n\nb") == "a\n\n  b"
        assert _text("{{ X | indent(2, first=true, blank=true) }}", X="a\n\nb") == "  a\n  \n  b"
        assert _text("{{ X | join(', ') }}", X=[1.0, True, "a"]) == "1, true, a"
        assert _text("{{ X | replace('a', 'b') }}", X="banana") == "bbnbnb"


class TestNginx:
    """One parameter of an nginx directive."""

    @given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0$"), max_size=30))
    def test_stays_one_parameter(self, value: str) -> None:
        assert _unquoted(_text("{{ LONG_NAME_OF_X | nginx }}", LONG_NAME_OF_X=value)) == value

    @pytest.mark.parametrize("value", ["a b;", '"; }', "a\\", '\\"', "#", "{", "a\nb", ""])
    def test_a_parser_of_nginx_configurations_agrees(self, value: str, tmp_path: Any) -> None:
        path = tmp_path / "nginx.conf"
        path.write_text(_text("add_header X {{ X | nginx }};\n", X=value))
        parsed = crossplane.parse(str(path), check_ctx=False, strict=False)["config"][0]
        assert parsed["errors"] == []
        assert [(line["directive"], len(line["args"])) for line in parsed["parsed"]] == [
            ("add_header", 2)
        ]

    def test_numbers(self) -> None:
        assert _text("{{ 20.0 | nginx }}") == '"20"'

    @pytest.mark.parametrize("value", ["a\0", "$host", "x" * 4001, "é" * 2001])
    def test_refuses_what_nginx_cannot_hold(self, value: str) -> None:
        with pytest.raises(TemplateFailedError, match="nginx"):
            _text("{{ X | nginx }}", X=value)


def _unquoted(parameter: str) -> str:
    """What nginx makes of a quoted parameter (ngx_conf_read_token)."""
    assert parameter[0] == parameter[-1] == '"'
    plain, rest = "", parameter[1:-1]
    while rest:
        if rest[0] == "\\" and rest[1] in "\"'\\trn":
            plain, rest = plain + {"t": "\t", "r": "\r", "n": "\n"}.get(rest[1], rest[1]), rest[2:]
        else:
            assert rest[0] != '"'
            plain, rest = plain + rest[0], rest[1:]
    return plain


class TestTaint:
    """A file that mentions a secret is secret."""

    @pytest.mark.parametrize(
        "source",
        [
            "{{ KEY }}",
            "{% if false %}{{ KEY }}{% endif %}",
            "{% if KEY == 'x' %}{% endif %}",
            "{{ URL }}",
            '{% include "_shared/plain" %}',
            '{% include "_shared/nested" %}',
            '{% import "_shared/macro" as m %}{{ m.key() }}',
            '{% from "_shared/macro" import key with context %}{{ key() }}',
            '{% extends "_shared/plain" %}',
            "{% macro m() %}{{ KEY }}{% endmacro %}{{ m() }}",
            "{% set x = KEY | length %}",
            "{% for letter in KEY %}{{ letter }}{% endfor %}",
        ],
    )
    def test_a_file_that_reads_a_secret_is_secret(self, source: str) -> None:
        shared = {
            "_shared/plain": "{{ KEY }}",
            "_shared/nested": '{% include "_shared/plain" %}',
            "_shared/macro": "{% macro key() %}{{ KEY }}{% endmacro %}",
        }
        assert _render(source, shared=shared, secret={"KEY": "canary"}, URL="https://KEY").secret
        assert not _render(source, shared=shared, KEY="canary", URL="https://KEY").secret

    def test_a_file_that_reads_no_secret_is_not_secret(self) -> None:
        assert not _render("{{ A }} KEY", secret={"KEY": "canary"}, A="a").secret

    @given(
        st.lists(
            st.sampled_from(
                [
                    "{{ KEY }}",
                    "{{ URL }}",
                    "{{ A }}",
                    "{% if A %}",
                    "{% endif %}",
                    '{% include "_shared/k" %}',
                    "x",
                ]
            ),
            max_size=6,
        )
    )
    def test_a_secret_is_never_in_a_file_that_is_not_secret(self, parts: list[str]) -> None:
        try:
            result = _render(
                "".join(parts),
                shared={"_shared/k": "{{ KEY }}"},
                secret={"KEY": "canary"},
                URL="u-KEY",
                A="a",
            )
        except TemplateFailedError:
            return
        assert result.secret or "canary" not in result.text


class TestFailures:
    """Messages name the place and the cause, and quote no values."""

    @pytest.mark.parametrize(
        ("source", "line", "words"),
        [
            ("a\n{{ NOPE }}", 2, "NOPE"),
            ("\n\n{{ NOPE.x }}", 3, "NOPE"),
            ("{{ NOTHING }}", 1, "NOTHING"),
            ("{{ NOPE ~ 'a' }}", 1, "NOPE"),
            ("{{ [NOPE] | join }}", 1, "NOPE"),
            ("{{ NOPE | tojson }}", 1, "NOPE"),
            ("{{ OBJ.nope }}", 1, "entry"),
            ("{{ OBJ[KEY] }}", 1, "entry"),
            ("{{ KEY[OBJ] }}", 1, "entry"),
            ("{{ [OBJ.nope] | tojson }}", 1, ""),
            ("\n{{ KEY | int(base=99) + KEY }}", 2, "numbers"),
            ("{{ KEY - 1 }}", 1, "wrong type"),
            ("{{ (1).__class__ }}", 1, "does not allow"),
            ("{{ OBJ | random }}", 1, "random"),
            ("{{ KEY", 1, "malformed"),
            ("\n{% include KEY %}", 2, "included"),
            ("{{ 1 / 0 }}", 1, "wrong type"),
            ("{{ range }}", 1, "wrong type"),
            ("{{ KEY.join }}", 1, "does not allow"),
            ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", 1, ""),
        ],
    )
    def test_name_place_and_cause(self, source: str, line: int, words: str) -> None:
        with pytest.raises(TemplateFailedError) as caught:
            _render(source, secret={"KEY": "canary"}, OBJ={"a": 1}, NOTHING=UNDEFINED)
        error = caught.value
        assert (error.path, error.line) == ("a.j2", line)
        assert words in error.message
        assert "canary" not in str(error)
        assert error.__context__ is None
        assert error.__cause__ is None

    def test_an_undefined_variable_is_on_the_error(self) -> None:
        with pytest.raises(TemplateFailedError) as caught:
            _text("{{ NOPE }}")
        assert caught.value.variable == "NOPE"

    def test_an_error_in_an_included_file_names_both_places(self) -> None:
        with pytest.raises(TemplateFailedError) as caught:
            _render('a\n{% include "_shared/x" %}', shared={"_shared/x": "\n\n{{ NOPE }}"})
        assert caught.value.line == 2
        assert "in _shared/x, line 3" in caught.value.message

    def test_a_malformed_included_file(self) -> None:
        with pytest.raises(
            TemplateFailedError, match=r"in _shared/x, line 3: the template is malformed"
        ):
            _render('{% include "_shared/x" %}', shared={"_shared/x": "\n\n{% if %}"})

    def test_a_loop_of_variables_is_reported_as_such(self) -> None:
        with pytest.raises(RecursionLoopError) as caught:
            _text("\n{{ A }}", A="B", B="A")
        assert caught.value.line is not None

    def test_templates_can_test_what_is_defined(self) -> None:
        assert (
            _text("{{ A is defined }} {{ NOPE is defined }} {{ NOPE | default('x') }}", A=1)
            == "true false x"
        )

    def test_one_rendering_does_not_see_another(self) -> None:
        assert _text("{{ A }}", A="1") == "1"
        assert _text("{{ A }}", A="2") == "2"
        with pytest.raises(TemplateFailedError):
            _text("{{ A }}")


def _growing(start: str, step: str) -> str:
    """A template that repeats a step, which makes ``ns.s`` grow."""
    beginning = f"{{% set ns = namespace(s={start}) %}}"
    return beginning + "{% for i in range(1000) %}" + step + "{% endfor %}"


class TestBounds:
    """Templates that would take much time or memory."""

    @pytest.mark.parametrize(
        "source",
        [
            "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
            "{{ range(10 ** 9) }}",
            "{% for a in range(1000000) %}{% endfor %}",
            "{{ 'a' * 1000000000 }}",
            "{{ [0] * 1000000000 }}",
            "{{ 10 ** 10 ** 10 }}",
            "{{ '%1000000000d' % 1 }}",
            "{{ '{:1000000000}'.format(1) }}",
            "{{ 'a'.ljust(1000000000) }}",
            "{{ 'a' | center(1000000000) }}",
            "{{ 'a' | indent(1000000000) }}",
            "{{ 'a' | format }}",
            _growing("'aa'", "{% set ns.s = ns.s ~ ns.s %}"),
            _growing("'aa'", "{% set ns.s = ns.s + ns.s %}"),
            _growing("[0]", "{% set ns.s = ns.s + ns.s %}"),
            _growing("9", "{% set ns.s = ns.s * ns.s %}"),
            _growing("'aa'", "{% set ns.s = ns.s | replace('a', ns.s) %}"),
            _growing("'aa'", "{% set ns.s = [ns.s, ns.s, ns.s] | join(ns.s) %}"),
            pytest.param(
                _growing("[1]", "{% set ns.s = [ns.s, ns.s] %}") + "{{ ns.s }}",
                marks=pytest.mark.long,
            ),
            _growing("'aa'", "{% set ns.s %}{{ ns.s }}{{ ns.s }}{% endset %}"),
            "{% macro m(s, n) %}{{ m(s ~ s, n - 1) if n else s }}{% endmacro %}{{ m('a', 60) }}",
            "{% macro m(n) %}{{ m(n + 1) }}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
            '{% include "a.j2" %}',
            "{{ " + "(" * 5000 + ")" * 5000 + " }}",
            "{% if true %}" * 200 + "{% endif %}" * 200,
            "{% for i in [1] %}" * 40 + "{% endfor %}" * 40,
        ],
    )
    def test_end_soon(self, source: str) -> None:
        with pytest.raises((TemplateFailedError, TooLargeError)):
            _text(source)

    def test_output_is_limited(self) -> None:
        with pytest.raises(TooLargeError):
            _text("{% for i in range(50) %}{{ X }}{% endfor %}", X="x" * 1_000_000)

    def test_values_cannot_be_changed(self) -> None:
        with pytest.raises(TemplateFailedError):
            _text("{{ X.append(1) }}", X=[1])
        with pytest.raises(TemplateFailedError):
            _text("{{ X.update({}) }}", X={"a": 1})

    def test_large_but_reasonable_templates_pass(self) -> None:
        assert len(_text("{% for i in range(20000) %}server {{ i }};\n{% endfor %}")) > 200_000


class TestWork:
    """Whatever a template reads is counted, not only the blocks that it runs."""

    LONG = ("x y " * 100_000, [[number] for number in range(20_000)])

    @pytest.mark.parametrize(
        "expression",
        [
            "range(99999) | max",
            "LIST | sort | length",
            "LIST | select('in', LIST) | list | length",
            "[0] in LIST",
            "LIST == LIST | list",
            "LIST[1:] | first",
            "TEXT.count('y')",
            "TEXT | title | length",
            "TEXT | urlencode | length",
        ],
    )
    def test_reading_long_values_repeatedly_is_refused(self, expression: str) -> None:
        self._is_refused(
            "{% for i in range(9999) %}{% if " + expression + " %}{% endif %}{% endfor %}"
        )

    def test_skipped_elements_of_loops_are_counted(self) -> None:
        self._is_refused(
            "{% for i in range(9999) %}{% for j in range(9999) if false %}{% endfor %}{% endfor %}"
        )

    def test_blocks_with_many_expressions_are_counted(self) -> None:
        self._is_refused(
            "{% for i in range(99999) %}{% if "
            + " + ".join(["1"] * 20)
            + " %}{% endif %}{% endfor %}"
        )

    def test_a_chain_of_filters_is_counted(self) -> None:
        self._is_refused("{{ range(99999)" + " | map('int')" * 20 + " | list }}")

    def test_a_large_source_is_refused(self) -> None:
        with pytest.raises(TemplateFailedError, match="larger than 128 KiB"):
            _render("{{ 1 }}" * 20_000)

    def test_a_useful_template_is_not_refused(self) -> None:
        hosts = {
            f"core{number}": {"name": "n" * 100, "ip": f"192.0.2.{number % 256}"}
            for number in range(300)
        }
        source = (
            "{% for key, host in HOSTS | dictsort if host.ip != '192.0.2.7' %}"
            "{{ key | upper }} {{ host.name[:9] }};{% endfor %}"
        )
        assert _text(source, HOSTS=hosts).count(";") == 298

    def _is_refused(self, source: str) -> None:
        text, elements = self.LONG
        start = time.thread_time()
        with pytest.raises(TemplateFailedError, match="too much work"):
            _render(source, TEXT=text, LIST=elements)
        assert time.thread_time() - start < 2


def test_a_number_out_of_range_is_reported() -> None:
    with pytest.raises(TemplateFailedError, match="a number is out of range"):
        _render("{% for x in range(1e400) %}{% endfor %}")


@pytest.mark.parametrize(
    "source",
    [
        "{% if KEY %}a{% endif %}",
        "{{ 'a' if KEY == 'x' else 'b' }}",
        "{% for c in KEY %}a{% endfor %}",
        "{{ KEY|length }}",
        "{{ KEY[0] }}",
        "{{ KEY[1:] }}",
        "{{ KEY.split('a') }}",
        "{{ 'a' in KEY }}",
        "{{ {'a': 1}[KEY] }}",
        "{{ {KEY: 1} }}",
        "{% include KEY %}",
        "{% set x = 'a' ~ KEY %}{{ x|length }}",
        "{% set x %}a{{ KEY }}{% endset %}{% if x %}b{% endif %}",
        "{% macro m() %}{{ KEY }}{% endmacro %}{{ m()|length }}",
        "{% set x = [KEY]|join %}{{ x == 'a' }}",
        "{% set x = {'a': KEY}|tojson %}{{ x|upper }}",
        "{% set n = namespace() %}{% set n.k = KEY %}{{ 'a' if n.k else 'b' }}",
        "{% autoescape true %}{% set x %}{{ KEY }}{% endset %}{{ 'a' if x }}{% endautoescape %}",
    ],
)
def test_an_opaque_secret_decides_about_nothing(source: str) -> None:
    values = Substitution({"KEY": Value(MASK, secret=True)})
    with pytest.raises(TemplateFailedError, match=r"a secret decides|autoescape"):
        render_template("a.j2", source, {}, values, opaque=True)


@pytest.mark.parametrize(
    "source",
    [
        "{{ KEY }}",
        "{{ 'a' ~ KEY }}",
        "{{ 'a' + KEY }}",
        "{{ KEY|tojson }}",
        "{{ {'a': KEY}|yaml }}",
        "{{ KEY|nginx }}",
        "{{ KEY|default('a')|indent(2) }}",
        "{% macro m(v) %}{{ v }}{% endmacro %}{{ m(KEY) }}",
    ],
)
def test_an_opaque_secret_can_be_printed(source: str) -> None:
    values = Substitution({"KEY": Value(MASK, secret=True)})
    assert MASK in render_template("a.j2", source, {}, values, opaque=True).text


def _strings_behind(start: object) -> list[str]:
    """The texts that an object leads to, besides those of modules and of the program's code."""
    found: list[str] = []
    seen: set[int] = set()
    pending: list[object] = [start]
    while pending:
        each = pending.pop()
        if id(each) in seen or isinstance(each, (ModuleType, type, CodeType)):
            continue
        seen.add(id(each))
        if isinstance(each, str):
            found.append(each)
        elif isinstance(each, FunctionType):
            pending += [each.__closure__, each.__defaults__]
            # Of a compiled template; those of the program's functions are modules.
            pending += [each.__globals__] if "__name__" not in each.__globals__ else []
        else:
            pending += gc.get_referents(each)
    return found


_ARGUMENTS = st.text() | st.integers() | st.lists(st.text()) | st.dictionaries(st.text(), st.text())


@given(st.lists(_ARGUMENTS), st.dictionaries(st.text(), _ARGUMENTS))
def test_a_call_counts_itself_and_all_of_its_arguments(
    arguments: list[Any], named: dict[str, Any]
) -> None:
    found, expected = Budget(), Budget()
    found.weigh_call(tuple(arguments), named)
    expected.read(1)
    expected.weighed((tuple(arguments), named))
    assert vars(found) == vars(expected)


def test_a_call_with_one_long_text_exceeds_the_budget() -> None:
    with pytest.raises(TemplateFailedError, match="too much work"):
        render_template(
            "a.j2", "{{ T|length }}", {}, Substitution({"T": Value("x" * 4 * WORK_LIMIT)})
        )


class TestOneAfterAnother:
    """Templates of one rendering share what is compiled, and nothing else."""

    def test_only_the_files_that_read_a_secret_are_secret(self) -> None:
        shared = {"m.j2": "{% macro k() %}{{ K }}{% endmacro %}{% set x = K %}"}
        values = Substitution({"K": Value("s", secret=True), "A": Value("a")})
        templates = Templates(shared, values)
        source = "{% import 'm.j2' as m %}{{ m.x }}"
        for _ in range(2):
            assert templates.render("a.j2", source) == RenderedText("s", secret=True)
            assert templates.render("a.j2", "{{ A }}") == RenderedText("a", secret=False)

    def test_a_file_includes_no_other_file(self) -> None:
        templates = Templates({}, Substitution({}))
        assert templates.render("a.j2", "").text == ""
        with pytest.raises(TemplateFailedError, match="not among the shared files"):
            templates.render("b.j2", "{% include 'a.j2' %}")

    def test_each_has_the_whole_budget(self) -> None:
        templates = Templates({}, Substitution({}))
        source = "{% for i in range(60000) %}{% endfor %}"
        for _ in range(3):
            assert templates.render("a.j2", source).text == ""

    def test_a_failure_leaves_nothing_behind(self) -> None:
        templates = Templates({"m.j2": "{% set x = 1 %}"}, Substitution({}))
        with pytest.raises(TemplateFailedError):
            templates.render("a.j2", "{% import 'm.j2' as m %}{{ m.x }}{{ NONE }}")
        assert templates.render("a.j2", "{% import 'm.j2' as m %}{{ m.x }}").text == "1"

    def test_a_sandbox_that_is_not_in_use_holds_no_value(self) -> None:
        shared = {"m.j2": "{% set x = KEY %}{% macro k(v) %}{{ v }}{{ KEY }}{% endmacro %}"}
        sources = [
            "{% import 'm.j2' as m %}{{ m.k(WHERE) }}{{ m.x ~ WHERE }}{% set n = namespace(a=1) %}",
            "{% from 'm.j2' import k %}{% set x %}{{ KEY|upper }}{% endset %}{{ k(x)|tojson }}",
            "{% for c in KEY %}{% include 'i.j2' %}{% endfor %}{% block y %}{{KEY}}{% endblock %}",
        ]
        sandboxes = Sandboxes()
        canary = "".join(["can", "ary-7f3a"])
        values = Substitution({"KEY": Value(canary, secret=True), "WHERE": Value("a" + canary)})
        templates = Templates({**shared, "i.j2": "{{ c }}{{ WHERE }}"}, values, sandboxes)
        with pytest.raises(TemplateFailedError):
            templates.render("a.j2", "{% import 'm.j2' as m %}{{ m.x.nothing.at.all }}")
        assert not sandboxes._idle
        for source in sources:
            assert canary in templates.render("a.j2", source).text
        assert sandboxes._idle
        held = [each for each in _strings_behind(sandboxes) if canary in each.lower()]
        assert held == []

    def test_two_files_at_once_have_sandboxes_of_their_own(self) -> None:
        sandboxes, none = Sandboxes(), Substitution({})
        with sandboxes.borrowed({}, none) as one, sandboxes.borrowed({}, none) as other:
            assert one is not other
        with sandboxes.borrowed({}, none) as again:
            assert again in (one, other)

    def test_constant_is_what_asks_for_no_variable(self) -> None:
        templates = Templates({"m.j2": "{{ A }}"}, Substitution({"A": Value("a")}))
        constant = ["x", "{% set y = 1 %}{{ y }}", "{% for i in range(2) %}{{ i }}{% endfor %}"]
        assert all(templates.render("a.j2", each).constant for each in constant)
        reading = ["{{ A }}", "{% if NONE is defined %}{% endif %}", "{% include 'm.j2' %}"]
        assert not any(templates.render("a.j2", each).constant for each in reading)
