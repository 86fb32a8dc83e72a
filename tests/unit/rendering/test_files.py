"""Rendered bundles: files, bytes and errors; the same bytes as the leader for its own releases."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.leader.listing import is_written_by_follower
from pryv_operator.leader.platform_yml import UNDEFINED, read_platform_yml
from pryv_operator.leader.render_error import RenderError
from pryv_operator.leader.substitution import (
    BadKeyError,
    Order,
    RecursionLoopError,
    TooLargeError,
    UndefinedValueError,
)
from pryv_operator.leader.taint import Value
from pryv_operator.rendering.files import (
    DuplicateFileError,
    RenderedFile,
    UnknownRoleError,
    default_values,
    render,
)
from pryv_operator.rendering.jinja_errors import TemplateFailedError
from pryv_operator.rendering.limits import Limits
from pryv_operator.rendering.parse_checks import DoesNotParseError
from pryv_operator.templates.builtin import RELEASES, UnknownReleaseError, load_release
from pryv_operator.templates.bundle import Bundle, Variable


def _bundle(
    *variables: Variable, shared: Mapping[str, bytes] | None = None, **roles: Mapping[str, bytes]
) -> Bundle:
    return Bundle(
        "test", "1", roles, shared or {}, {variable.name: variable for variable in variables}
    )


def _values(**values: Any) -> dict[str, Value]:
    return {name: Value(value) for name, value in values.items()}


def _one(path: str, content: bytes, *variables: Variable, **values: Any) -> RenderedFile:
    (file,) = render(_bundle(*variables, core={path: content}), _values(**values))["core"]
    return file


class TestFiles:
    """Which files are rendered."""

    def test_only_files_that_a_follower_writes_sorted_by_path(self) -> None:
        files = dict.fromkeys(
            [
                "z.yml",
                "a/conf/b",
                "a/conf/a.json",
                "a/conf/a.yml",
                "a/log/.gitkeep",
                "a/templates/x/y",
            ],
            b"",
        )
        assert [file.path for file in render(_bundle(core=files), {})["core"]] == [
            "a/conf/a.yml",
            "a/conf/b",
            "a/templates/x/y",
            "z.yml",
        ]

    def test_templates_lose_their_suffix_before_files_are_selected(self) -> None:
        files = {"a/conf/a.json.j2": b"{}", "a/conf/a.yml.j2": b"{{ 1 }}", "pryv.yml.j2": b""}
        rendered = render(_bundle(core=files), {})["core"]
        assert [(file.path, file.content) for file in rendered] == [
            ("a/conf/a.yml", b"1"),
            ("pryv.yml", b""),
        ]

    def test_without_jinja_a_suffix_is_a_part_of_the_name(self) -> None:
        files = {"a/conf/a.json.j2": b"{{ 1 }}", "a/conf/a.json": b"{}", "pryv.yml": b"X"}
        rendered = render(replace(_bundle(core=files), jinja=False), _values(X="y"))["core"]
        assert [(file.path, file.content) for file in rendered] == [
            ("a/conf/a.json", b"{}"),
            ("a/conf/a.json.j2", b"{{ 1 }}"),
            ("pryv.yml", b"y"),
        ]

    def test_every_file_of_a_secret_bundle_is_secret(self) -> None:
        (file,) = render(replace(_bundle(core={"a": b"plain"}), secret=True), {})["core"]
        assert file.secret

    @pytest.mark.parametrize(
        ("files", "words"),
        [
            ({"a": b"x" * 2000}, "the file exceeds 1 KiB"),
            ({"a": b"VV"}, "variable V: its value exceeds 1 KiB"),
            ({"a": b"x" * 900, "b": b"x" * 900}, "total size of all files exceeds"),
            ({"a.json": b'"%s"' % (b"x" * 600)}, "total size of JSON, YAML and Hjson files"),
        ],
    )
    def test_limits_can_be_lowered(self, files: Mapping[str, bytes], words: str) -> None:
        limits = Limits(file=1024, total=1500, parsed=512)
        with pytest.raises(TooLargeError, match=words):
            render(_bundle(core=files), _values(V="x" * 2000), limits=limits)
        render(_bundle(core=files), _values(V="x" * 2000))

    def test_a_file_with_two_sources_is_an_error(self) -> None:
        with pytest.raises(DuplicateFileError) as caught:
            render(_bundle(core={"a": b"", "a.j2": b""}), {})
        assert (caught.value.role, caught.value.path) == ("core", "a")

    def test_all_roles_or_the_requested_ones(self) -> None:
        bundle = _bundle(core={"a": b""}, static={"a": b""})
        assert set(render(bundle, {})) == {"core", "static"}
        assert set(render(bundle, {}, roles=["static"])) == {"static"}
        with pytest.raises(UnknownRoleError, match=r"core, static"):
            render(bundle, {}, roles=["singlenode"])


class TestContent:
    """The bytes."""

    def test_invalid_bytes_become_replacement_characters_and_a_byte_order_mark_stays(self) -> None:
        assert _one("a", b"\xef\xbb\xbfDOMAIN \xff\xe2\x82 \xed\xa0\x80", DOMAIN="d").content == (
            "\ufeffd \ufffd\ufffd \ufffd\ufffd\ufffd".encode()
        )

    def test_line_ends_stay_in_plain_files(self) -> None:
        assert _one("a", b"a\r\nb\rDOMAIN", DOMAIN="d").content == b"a\r\nb\rd"

    def test_templates_include_shared_files(self) -> None:
        bundle = _bundle(
            shared={"_shared/x.j2": b"<{{ A }}>"}, core={"a.j2": b'{% include "_shared/x.j2" %}'}
        )
        assert render(bundle, _values(A="B", B="b"))["core"][0].content == b"<b>"

    def test_files_that_hold_a_secret_are_secret(self) -> None:
        values = {"KEY": Value("s", secret=True), "A": Value("KEY"), "B": Value("b")}
        files = {
            "1": b"KEY",
            "2": b"A",
            "3.j2": b"{{ A }}",
            "4": b"B",
            "5.j2": b"{{ B }}",
            "6": b"no variable",
        }
        assert [file.secret for file in render(_bundle(core=files), values)["core"]] == [
            True,
            True,
            True,
            False,
            False,
            False,
        ]

    def test_a_representation_shows_no_content(self) -> None:
        assert "canary" not in repr(_one("a", b"A", A="canary"))


class TestErrors:
    """Every error names its file, and none quotes a value."""

    @pytest.mark.parametrize(
        ("path", "content", "kind", "variable", "line"),
        [
            ("a/conf/b.txt", b"LOOP", RecursionLoopError, "LOOP", None),
            ("a/conf/b.txt", b"NOTHING", UndefinedValueError, "NOTHING", None),
            ("a/conf/b.txt", b"BIG" * 17, TooLargeError, None, None),
            ("a/conf/b.txt.j2", b"\n{{ NOPE }}", TemplateFailedError, "NOPE", 2),
            ("a/conf/b.txt.j2", b"\n{{ LOOP }}", RecursionLoopError, "LOOP", 1),
            ("a/conf/b.json", b'{\n"a": "QUOTE"}', DoesNotParseError, None, 2),
            ("a/conf/b.yml", b"a: QUOTE\n", DoesNotParseError, None, 2),
            ("a/conf/b.json.j2", b'"{{ QUOTE }}"', DoesNotParseError, None, 1),
        ],
    )
    def test_name_the_place(
        self,
        path: str,
        content: bytes,
        kind: type[RenderError],
        variable: str | None,
        line: int | None,
    ) -> None:
        values = _values(LOOP="LOOP", NOTHING=UNDEFINED, BIG="x" * 1024 * 1024, QUOTE='"canary')
        with pytest.raises(kind) as caught:
            render(_bundle(core={path: content}), values)
        error = caught.value
        assert (error.role, error.path, error.variable) == ("core", path, variable)
        assert error.line == line
        assert str(error).startswith(f"core/{path}")
        assert "canary" not in str(error)

    def test_a_bad_name(self) -> None:
        with pytest.raises(BadKeyError):
            render(_bundle(core={}), {"": Value("x")})

    def test_files_that_are_not_written_cause_no_errors(self) -> None:
        assert render(_bundle(core={"a/log/b": b"LOOP"}), _values(LOOP="LOOP"))["core"] == ()

    def test_all_files_together_are_limited(self) -> None:
        files = {str(number): b"BIG" for number in range(5)}
        with pytest.raises(TooLargeError):
            render(_bundle(core=files), _values(BIG="x" * (15 * 1024 * 1024)))


class TestParsing:
    """A file must parse if it parses with the defaults."""

    def test_a_file_that_does_not_parse_with_the_defaults_is_accepted(self) -> None:
        assert _one("a.json", b'// comment\n{"a": "A"}', A="x").content == b'// comment\n{"a": "x"}'
        assert _one("a.yml", b"a: @A\n", A="x").content == b"a: @x\n"

    def test_the_defaults_decide(self) -> None:
        number = Variable("A", "number", default=1)
        with pytest.raises(DoesNotParseError):
            _one("a.json", b'{"a": A}', number, A="x y")
        text = Variable("A", "string", default="a b")
        assert _one("a.json", b'{"a": A}', text, A="x y").content == b'{"a": x y}'

    def test_a_variable_without_default_counts_as_its_type_demands(self) -> None:
        for kind in ("number", "object", "array", "boolean", "any"):
            with pytest.raises(DoesNotParseError):
                _one("a.json", b'{"a": A}', Variable("A", kind), A="x y")  # type: ignore[arg-type]

    def test_templates_must_parse_even_if_the_defaults_do_not_render(self) -> None:
        with pytest.raises(DoesNotParseError):
            _one("a.json.j2", b'{"a": {{ A.b }} }', Variable("A", "object"), A={"b": "x"})


@pytest.mark.parametrize(
    "release",
    ["1.6.12-cluster", "1.7.3-single-node", "1.9.2-cluster", "1.9.2-single-node", "2019-seed-era"],
)
@pytest.mark.parametrize("order", ["leader", "longest"])
def test_bytes_equal_the_leaders(shared_pryv: Path, release: str, order: Order) -> None:
    folder = shared_pryv / "releases" / release
    roles = _tree(folder / "config-leader" / "data")
    expected = {
        role: {path: content for path, content in files.items() if is_written_by_follower(path)}
        for role, files in _tree(folder / "expected").items()
    }
    rendered = render(Bundle(release, release, roles), _platform(folder), order=order)
    assert {
        role: {file.path: file.content for file in files} for role, files in rendered.items()
    } == expected


def _platform(folder: Path) -> dict[str, Value]:
    filled = folder / "filled"
    configuration = (filled if filled.is_dir() else folder / "config-leader") / "conf"
    settings = json.loads((configuration / "config-leader.json").read_text())
    if "platform" in settings:
        return _values(**settings["platform"])
    return _values(
        **read_platform_yml((configuration / "platform.yml").read_text(), settings["internals"])
    )


def _tree(folder: Path) -> dict[str, dict[str, bytes]]:
    return {
        role.name: {
            path.relative_to(role).as_posix(): path.read_bytes()
            for path in role.rglob("*")
            if path.is_file()
        }
        for role in folder.iterdir()
        if role.is_dir()
    }


class TestBuiltIn:
    """The releases this project ships."""

    @pytest.mark.parametrize("version", RELEASES)
    def test_renders_with_harmless_values(self, version: str) -> None:
        bundle = load_release(version)
        rendered = render(bundle, default_values(bundle, {}))
        assert set(rendered) == set(bundle.roles)
        assert all(files for files in rendered.values())

    def test_every_folder_is_a_release(self) -> None:
        releases = files("pryv_operator.templates") / "releases"
        folders = {each.name for each in releases.iterdir() if each.is_dir()}
        assert folders == set(RELEASES)

    def test_newest_first(self) -> None:
        assert sorted(
            RELEASES, key=lambda name: [int(part) for part in name.split(".")], reverse=True
        ) == list(RELEASES)

    def test_an_unknown_release_is_reported_with_the_known_ones(self) -> None:
        with pytest.raises(UnknownReleaseError, match=RELEASES[0]):
            load_release("0.0.1")


@given(
    st.dictionaries(
        st.sampled_from(["A", "AB", "B", "KEY"]), st.text("ABKEY x\"{}'\n:", max_size=6), max_size=4
    ),
    st.dictionaries(
        st.sampled_from(["a.json", "b.yml", "c/conf/d.txt", "e.hjson", "f.txt.j2"]),
        st.text("ABKEY {}%:\"'\n", max_size=20).map(str.encode),
        max_size=4,
    ),
)
def test_the_same_input_gives_the_same_files_and_no_secret_escapes(
    values: dict[str, str], files: dict[str, bytes]
) -> None:
    bundle = _bundle(core=files)
    tainted = _values(**values) | {"KEY": Value("<canary>", secret=True)}
    try:
        first = render(bundle, tainted)
    except RenderError as error:
        assert "canary" not in f"{error} {error!r}"
        return
    assert first == render(bundle, dict(reversed(tainted.items())))
    assert all(file.secret or b"canary" not in file.content for file in first["core"])
