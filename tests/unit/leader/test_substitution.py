"""Substitution: the leader's answers, order, errors, bounds and taint."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.leader.js_yaml import JsYamlError
from pryv_operator.leader.platform_yml import UNDEFINED, read_platform_yml
from pryv_operator.leader.render_error import RenderError
from pryv_operator.leader.substitution import (
    ELEMENTS_LIMIT,
    NAME_LIMIT,
    NAMES_LIMIT,
    SIZE_LIMIT,
    BadKeyError,
    Order,
    RecursionLoopError,
    Substitution,
    TooDeepError,
    TooLargeError,
    TooManyElementsError,
    TooManyNamesError,
    UndefinedValueError,
)
from pryv_operator.leader.taint import Value

#: Cases where the leader fails on a name that is no regular expression, and we match it literally.
_LITERAL_HERE = {
    "key with a dot is a pattern": "AxB x",
    "key that is no valid pattern": "x",
    "key with a bar": "A B x",
}


def _values(**values: Any) -> dict[str, Value]:
    return {name: Value(value) for name, value in values.items()}


def _apply(text: str, order: Order = "longest", **values: Any) -> str:
    return Substitution(_values(**values), order).apply(text).text


def _resolved(substitution: Substitution, name: str) -> Any:
    """A value, or the message of the error."""
    try:
        return substitution.resolve(name).value
    except (RenderError, KeyError) as error:
        return str(error)


def _as_the_leader(platform_yml: str, internals: dict[str, Any], template: str) -> str:
    variables = read_platform_yml(platform_yml, internals)
    return (
        Substitution({name: Value(value) for name, value in variables.items()}, "leader")
        .apply(template)
        .text
    )


class TestLikeTheLeader:
    """Answers recorded from the leader."""

    def test_edge_cases(self, shared_pryv: Path) -> None:
        vectors = json.loads((shared_pryv / "leader-vectors.json").read_text())["substitution"]
        assert vectors
        for vector in vectors:
            expected = vector["expected"].get("ok", _LITERAL_HERE.get(vector["name"]))
            arguments = vector["platform_yml"], vector["internals"], vector["template"]
            if expected is None:
                with pytest.raises((RenderError, JsYamlError)):
                    _as_the_leader(*arguments)
            else:
                assert _as_the_leader(*arguments) == expected, vector["name"]

    def test_random_cases(self, shared_pryv: Path) -> None:
        cases = json.loads((shared_pryv / "leader-cases.json").read_text())
        assert len(cases) >= 200
        for case in cases:
            arguments = (
                json.dumps({"vars": case["vars"]}, ensure_ascii=False),
                case["internals"],
                case["template"],
            )
            if "ok" in case["expected"]:
                assert _as_the_leader(*arguments) == case["expected"]["ok"]
            else:
                with pytest.raises(RecursionLoopError):
                    _as_the_leader(*arguments)


class TestMatching:
    """Which name is replaced."""

    def test_the_longest_name_wins_whatever_the_order(self) -> None:
        assert (
            _apply("MAIL_HOST MAIL", MAIL="m", MAIL_HOST="h")
            == _apply("MAIL_HOST MAIL", MAIL_HOST="h", MAIL="m")
            == "h m"
        )

    def test_the_leader_takes_the_first_name_of_the_map(self) -> None:
        assert _apply("MAIL_HOST", "leader", MAIL="m", MAIL_HOST="h") == "m_HOST"
        assert _apply("MAIL_HOST", "leader", MAIL_HOST="h", MAIL="m") == "h"

    def test_names_are_literal(self) -> None:
        names = ["A.B", "A|B", "(", "[a", "\\d", "^", "$", "é😀", "a b"]
        substitution = Substitution({name: Value(f"<{index}>") for index, name in enumerate(names)})
        assert [substitution.apply(name).text for name in names] == [
            f"<{index}>" for index in range(len(names))
        ]
        assert substitution.apply("AxB").text == "AxB"

    def test_positions_are_characters(self) -> None:
        assert _apply("😀é DOMAIN😀DOMAIN\u2028", DOMAIN="😀") == "😀é 😀😀😀\u2028"

    @pytest.mark.parametrize("offset", range(8))
    def test_names_across_the_borders_of_search_windows(self, offset: int) -> None:
        text = "x" * offset + "DOMAIN" * 40_000
        assert _apply(text, DOMAIN="d", DOM="no") == "x" * offset + "d" * 40_000

    def test_long_names(self) -> None:
        name = "N" * NAME_LIMIT
        assert _apply(
            ("x" + name) * 300 + "N" * (NAME_LIMIT - 1), **{name: "v", "N": "n"}
        ) == "xv" * 300 + "n" * (NAME_LIMIT - 1)

    def test_lone_surrogates_become_replacement_characters(self) -> None:
        assert _apply("A \ud800", A="\udc00\ud83d\ude00") == "\ufffd😀 \ufffd"

    @given(st.data())
    def test_agrees_with_a_regular_expression(self, data: st.DataObject) -> None:
        names = data.draw(
            st.lists(st.text("ABC_", min_size=1, max_size=4), unique=True, min_size=1, max_size=6)
        )
        text = data.draw(st.text("ABC_ é😀", max_size=60))
        marks = {name: f"<{index}>" for index, name in enumerate(names)}
        for order, ranked in (("leader", names), ("longest", sorted(names, key=len, reverse=True))):
            pattern = "|".join(map(re.escape, ranked))
            expected = re.sub(pattern, lambda found: marks[found[0]], text)
            substitution = Substitution(_values(**marks), order)  # type: ignore[arg-type]
            assert substitution.apply(text).text == expected


class TestErrors:
    """Errors where the leader throws, or would never end."""

    def test_a_loop_is_reported_only_when_reached(self) -> None:
        values = _values(A="x B", B={"c": ["A"]}, C="c")
        assert Substitution(values).apply("C").text == "c"
        with pytest.raises(RecursionLoopError) as caught:
            Substitution(values).apply("C B")
        assert caught.value.chain == ("B", "A", "B")
        assert "B → A → B" in caught.value.message

    def test_a_loop_is_reported_again(self) -> None:
        substitution = Substitution(_values(A="B", B="C", C="B", D="d"))
        for _ in range(2):
            with pytest.raises(RecursionLoopError) as caught:
                substitution.apply("A")
            assert caught.value.chain == ("B", "C", "B")
        assert substitution.apply("D").text == "d"

    def test_a_name_twice_in_one_value_is_not_a_loop(self) -> None:
        assert _apply("A", A="BCB", B="C", C="c") == "ccc"

    def test_an_undefined_value(self) -> None:
        substitution = Substitution(_values(A=UNDEFINED, B="A", C="c"))
        assert substitution.apply("C").text == "c"
        with pytest.raises(UndefinedValueError) as caught:
            substitution.apply("B")
        assert caught.value.variable == "A"

    @pytest.mark.parametrize("name", ["", "\ud800", "N" * (NAME_LIMIT + 1)])
    def test_invalid_names_are_refused(self, name: str) -> None:
        with pytest.raises(BadKeyError):
            Substitution({name: Value("x")})

    def test_a_value_that_contains_itself(self) -> None:
        value: list[Any] = []
        value.append(value)
        with pytest.raises(TooDeepError):
            _apply("A", A=value)


@pytest.mark.parametrize("text", ["AB", "A-"])
def test_a_text_full_of_names_is_refused(text: str) -> None:
    names = {"A": "x", "B": "y"}
    with pytest.raises(TooManyNamesError):
        _apply(text * (NAMES_LIMIT * 2), **names)
    with pytest.raises(TooManyNamesError):
        _apply("C", C=text * (NAMES_LIMIT * 2), **names)
    assert _apply(text * 1000, **names).startswith("x")


def test_a_value_of_many_elements_is_refused_if_its_type_is_preserved() -> None:
    values = _values(FEW=["x", "B"] * 1000, MANY=["B"] * (ELEMENTS_LIMIT + 1), B="y")
    made = Substitution(values)
    assert made.resolve("FEW").value == ["x", "y"] * 1000
    with pytest.raises(TooManyElementsError):
        made.resolve("MANY")


class TestBounds:
    """Long chains, doubling values, and memory."""

    def test_a_chain_of_variables_may_be_long(self) -> None:
        links = {f"V{index:06}_": f"V{index + 1:06}_" for index in range(20_000)}
        assert _apply("V000000_!", **links, V020000_="end") == "end!"

    def test_a_long_loop_is_found(self) -> None:
        links = {f"V{index:06}_": f"V{(index + 1) % 5_000:06}_" for index in range(5_000)}
        with pytest.raises(RecursionLoopError) as caught:
            _apply("V000000_", **links)
        assert len(caught.value.chain) == 5_001
        assert len(caught.value.message) < 500

    def test_doubling_values_are_refused_before_they_are_built(self) -> None:
        doubling = {f"V{index:03}": f"V{index + 1:03}" * 2 for index in range(500)}
        with pytest.raises(TooLargeError):
            _apply("V000", **doubling, V500="x")

    def test_doubling_an_empty_value_is_empty(self) -> None:
        doubling = {f"V{index:03}": f"V{index + 1:03}" * 2 for index in range(500)}
        assert _apply("[V000]", **doubling, V500="") == "[]"

    def test_the_limit_counts_bytes(self) -> None:
        assert len(_apply("A" * 4, A="x" * (SIZE_LIMIT // 4))) == SIZE_LIMIT
        with pytest.raises(TooLargeError):
            _apply("A" * 4 + "x", A="x" * (SIZE_LIMIT // 4))
        with pytest.raises(TooLargeError):
            _apply("A" * 4, A="é" * (SIZE_LIMIT // 4))

    def test_many_large_values_do_not_add_up(self) -> None:
        """Not all texts of variables are cached: 50 of 8 MiB each would take 400 MiB."""
        values = {f"V{index:02}": f"BIG{index}" for index in range(50)}
        substitution = Substitution(_values(**values, BIG="x" * (SIZE_LIMIT // 2)))
        assert all(len(substitution.apply(name).text) > SIZE_LIMIT // 2 for name in values)

    def test_a_deep_web_of_values_that_are_not_cached(self) -> None:
        fill = {f"F{index}": "BIG" + str(index) for index in range(9)}
        links = {f"V{index:04}": f"V{index + 1:04}" for index in range(3_000)}
        substitution = Substitution(
            _values(**fill, **links, BIG="x" * (SIZE_LIMIT // 2), V3000="ab" * 10)
        )
        for name in fill:
            substitution.apply(name)
        assert substitution.apply("V0000" * 1_000).text == "ab" * 10_000

    def test_a_value_of_aliases_that_is_a_huge_text(self) -> None:
        value: Any = "x" * 100
        for _ in range(60):
            value = [value, value]
        with pytest.raises(TooLargeError):
            _apply("A", A=value)

    @given(
        st.dictionaries(st.sampled_from("ABCDEFGH"), st.text("ABCDEFGHx", max_size=12), max_size=8),
        st.text("ABCDEFGHx ", max_size=30),
    )
    def test_gives_a_bounded_text_or_an_error(self, values: dict[str, str], text: str) -> None:
        try:
            result = _apply(text, **values)
        except (RecursionLoopError, TooLargeError):
            return
        assert len(result) <= SIZE_LIMIT


_NAMES = ["A", "AB", "ABC", "B", "C_", "_", "D", "DOMAIN", "10", "2"]
_JSON_VALUES = st.recursive(
    st.text("ABCDOMIN_ 12x\"é'", max_size=8) | st.integers() | st.booleans() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("ABvalue", max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
_MAPS = st.dictionaries(st.sampled_from(_NAMES), _JSON_VALUES, max_size=8)
_TEXTS = st.text("ABCDOMIN_ 12x", max_size=40)


def _outcome(values: dict[str, Value], text: str) -> tuple[str, object]:
    try:
        result = Substitution(values).apply(text)
    except RenderError as error:
        return type(error).__name__, error.variable if isinstance(
            error, UndefinedValueError
        ) else None
    return result.text, result.secret


class TestProperties:
    """Properties for any values."""

    @given(_MAPS, _TEXTS, st.randoms(use_true_random=False))
    def test_the_order_of_the_map_does_not_matter(
        self, values: dict[str, Any], text: str, rng: random.Random
    ) -> None:
        shuffled = list(values)
        rng.shuffle(shuffled)
        assert _outcome(_values(**values), text) == _outcome(
            _values(**{name: values[name] for name in shuffled}), text
        )

    @given(_MAPS, _TEXTS, st.sampled_from(_NAMES))
    def test_a_secret_is_never_lost(self, values: dict[str, Any], text: str, secret: str) -> None:
        tainted = _values(**values) | {secret: Value("<canary>", secret=True)}
        substitution = Substitution(tainted)
        try:
            result = substitution.apply(text)
        except RenderError:
            return
        assert result.secret == ("<canary>" in result.text)
        for name in tainted:
            try:
                resolved = substitution.resolve(name)
            except RenderError:
                continue
            if "<canary>" in json.dumps(resolved.value):
                assert resolved.secret

    @given(_MAPS, _TEXTS, st.sampled_from(_NAMES), st.lists(st.sampled_from(_NAMES)))
    def test_masked_is_the_substitution_of_masks(
        self, values: dict[str, Any], text: str, secret: str, before: list[str]
    ) -> None:
        tainted = _values(**values) | {secret: Value("<canary>", secret=True, masked="<mask>")}
        unmasked = Substitution(tainted)
        for name in before:  # whatever has been resolved by then
            _resolved(unmasked, name)
        masked = unmasked.masked(tainted)
        alone = Substitution({name: Value(value.visible) for name, value in tainted.items()})
        for name in tainted:
            assert _resolved(masked, name) == _resolved(alone, name)
            assert "<canary>" not in str(_resolved(masked, name))
        try:
            expected: Any = alone.apply(text)
        except RenderError as error:
            expected = str(error)
        try:
            found: Any = masked.apply(text)
        except RenderError as error:
            found = str(error)
        assert found == expected

    @given(_MAPS, _TEXTS)
    def test_the_same_input_gives_the_same_output(self, values: dict[str, Any], text: str) -> None:
        assert _outcome(_values(**values), text) == _outcome(_values(**values), text)

    @given(_MAPS, _TEXTS)
    def test_earlier_calls_do_not_matter(self, values: dict[str, Any], text: str) -> None:
        substitution = Substitution(_values(**values))
        for name in values:
            try:
                substitution.apply(name)
            except RenderError:
                continue
        try:
            result: object = substitution.apply(text).text
        except RenderError as error:
            result = type(error).__name__
        assert result == _outcome(_values(**values), text)[0]


class TestTypedValues:
    """resolve(): for templates."""

    def test_types_are_preserved_and_texts_substituted(self) -> None:
        value = {"DOMAIN": ["https://DOMAIN", 1, None, {"a": True, "b": 2.5}]}
        substitution = Substitution(_values(DOMAIN="p.m", OBJ=value, N=20, T="OBJ2", OBJ2={"x": 1}))
        assert substitution.resolve("OBJ").value == {
            "p.m": ["https://p.m", 1, None, {"a": True, "b": 2.5}]
        }
        assert substitution.resolve("N").value == 20
        assert substitution.resolve("T").value == '{"x":1}'

    def test_wrapped_values_are_unwrapped_once(self) -> None:
        substitution = Substitution(
            _values(A={"value": {"value": 1}}, B={"value": None, "x": 1}, C=[{"value": 1}])
        )
        assert substitution.resolve("A").value == {"value": 1}
        assert substitution.resolve("B").value == {"value": None, "x": 1}
        assert substitution.resolve("C").value == [{"value": 1}]

    def test_times_become_texts(self) -> None:
        variables = read_platform_yml(
            "vars: {G: {settings: {A: {value: [2001-12-14]}, B: {value: 2001-12-14}}}}\n", {}
        )
        substitution = Substitution({name: Value(value) for name, value in variables.items()})
        assert substitution.resolve("A").value == ["2001-12-14T00:00:00.000Z"]
        assert substitution.resolve("B").value == "2001-12-14T00:00:00.000Z"

    def test_a_secret_inside_taints(self) -> None:
        substitution = Substitution(
            {
                "KEY": Value("s", secret=True),
                "A": Value({"a": ["KEY"]}),
                "B": Value({"KEY": 1}),
                "C": Value([1]),
            }
        )
        assert [substitution.resolve(name).secret for name in "ABC"] == [True, True, False]

    def test_loops_size_and_depth(self) -> None:
        deep: Any = []
        wide: Any = "x" * 1000
        for _ in range(1000):
            deep = [deep]
        for _ in range(40):
            wide = [wide, wide]
        substitution = Substitution(_values(A={"a": "A"}, DEEP=deep, WIDE=wide))
        with pytest.raises(RecursionLoopError):
            substitution.resolve("A")
        with pytest.raises(TooDeepError):
            substitution.resolve("DEEP")
        with pytest.raises(TooLargeError):
            substitution.resolve("WIDE")

    def test_an_unknown_name_is_not_substituted(self) -> None:
        substitution = Substitution({})
        assert "A" not in substitution
        assert substitution.apply("A").text == "A"
        with pytest.raises(KeyError):
            substitution.resolve("A")


def test_representations_hide_secrets() -> None:
    assert "canary" not in repr(Value("canary", secret=True))
    assert "canary" not in repr(Substitution({"A": Value("canary", secret=True)}).apply("A"))
