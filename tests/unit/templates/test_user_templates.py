"""``spec.templates``: referenced objects become a bundle, or a problem that names the field."""

from __future__ import annotations

from typing import Any

import pytest

from pryv_operator.api.findings import Problem
from pryv_operator.api.spec import PryvPlatformSpec, TemplateItem, Templates
from pryv_operator.templates.builtin import load_release
from pryv_operator.templates.bundle import Bundle
from pryv_operator.templates.user_templates import (
    Contents,
    read_archive,
    read_files,
    referenced_objects,
    uses_builtin_release,
)
from tests.unit.templates.archives import reg_master, tgz

LEADER = {
    "conf/platform.yml": b"vars: {G: {settings: {DOMAIN: {value: REPLACE_ME}}}}\n",
    "conf/config-leader.json": b'{"internals": {}, "followers": {}}',
    **{f"data/{role}/pryv.yml": b"services: {}\n" for role in ("core", "reg-master", "static")},
}


def templates(**fields: Any) -> Templates:
    return Templates.model_validate(fields)


def archive(kind: str = "configMapKeyRef") -> Templates:
    return templates(archive={kind: {"name": "received", "key": "a.tgz"}})


def files(*entries: tuple[str, str, str, str]) -> Templates:
    """Entries: role, name of the ConfigMap, key, path."""
    return templates(
        files=[
            {"role": role, "configMapRef": {"name": name}, "items": [{"key": key, "path": path}]}
            for role, name, key, path in entries
        ]
    )


def read(wanted: Templates, contents: Contents, **options: Any) -> Bundle | Problem:
    if wanted.archive:
        return read_archive(wanted.archive, contents, **options)
    return read_files(wanted.files or (), None, contents, **options)


class TestReferencedObjects:
    """Which objects have to be read."""

    def test_archive_in_a_config_map(self) -> None:
        assert referenced_objects(archive()) == (("ConfigMap", "received"),)

    def test_archive_in_a_secret(self) -> None:
        assert referenced_objects(archive("secretKeyRef")) == (("Secret", "received"),)

    def test_each_config_map_once(self) -> None:
        wanted = files(("core", "b", "x", "x"), ("core", "a", "y", "y"), ("static", "b", "z", "z"))
        assert referenced_objects(wanted) == (("ConfigMap", "b"), ("ConfigMap", "a"))

    def test_archive_with_files(self) -> None:
        both = archive("secretKeyRef").model_copy(
            update={"files": files(("core", "a", "x", "x")).files}
        )
        assert referenced_objects(both) == (("Secret", "received"), ("ConfigMap", "a"))


class TestReading:
    """What becomes of the content."""

    @pytest.mark.parametrize(
        ("kind", "field"), [("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")]
    )
    def test_archive_from_a_secret_is_secret(self, kind: str, field: str) -> None:
        found = read(archive(field), {(kind, "received"): {"a.tgz": tgz(reg_master(LEADER))}})
        assert isinstance(found, Bundle)
        assert found.secret is (kind == "Secret")
        assert not found.jinja

    def test_files_that_no_follower_writes_are_dropped(self) -> None:
        packed = tgz(reg_master({**LEADER, "data/core/web/notes/a": b"", "data/core/b": b""}))
        found = read(archive(), {("ConfigMap", "received"): {"a.tgz": packed}})
        assert isinstance(found, Bundle)
        assert sorted(found.roles["core"]) == ["b", "pryv.yml"]

    def test_files_are_jinja_templates_with_the_newest_release_variables(self) -> None:
        found = read(
            files(("core", "mine", "k", "pryv.yml"), ("static", "mine", "k", "web/conf/a.j2")),
            {("ConfigMap", "mine"): {"k": b"content"}},
        )
        assert isinstance(found, Bundle)
        assert found.jinja
        assert found.roles == {
            "core": {"pryv.yml": b"content"},
            "static": {"web/conf/a.j2": b"content"},
        }
        assert "DOMAIN" in found.variables


@pytest.mark.parametrize(
    ("wanted", "content", "reason", "message"),
    [
        (archive(), None, "TemplatesNotFound",
         'spec.templates.archive: ConfigMap "received" not found; create it'),
        (archive("secretKeyRef"), {"b": b"", "a": b""}, "TemplatesNotFound",
         'Secret "received" has no key "a.tgz" (its keys: a, b); add the key or correct'),
        (archive(), {}, "TemplatesNotFound", "(its keys: none)"),
        (archive(), {"a.tgz": b"\0\0\0"}, "ArchiveNotAnArchive",
         'spec.templates.archive: key "a.tgz" of ConfigMap "received": '),
        (archive(), {"a.tgz": tgz(reg_master({**LEADER, "conf/platform.yml": b"a"}))},
         "InvalidTemplates", "conf/platform.yml"),
        (files(("core", "received", "k", "pryv.yml")), None, "TemplatesNotFound",
         'spec.templates.files[0]: ConfigMap "received" not found; create it'),
        (files(("core", "received", "k", "a"), ("core", "received", "k", "a")), {"k": b""},
         "InvalidTemplates", 'spec.templates.files[1]: role core already has a file "a"'),
    ],
)  # fmt: skip
def test_problems_name_field_and_object(
    wanted: Templates, content: dict[str, bytes] | None, reason: str, message: str
) -> None:
    contents = (
        {} if content is None else {(kind, "received"): content for kind in ("ConfigMap", "Secret")}
    )
    found = read(wanted, contents)
    assert isinstance(found, Problem)
    assert found.reason == reason
    assert message in found.message


def test_remedy_for_a_missing_object_is_the_callers() -> None:
    found = read(archive(), {}, if_missing="pass its file")
    assert isinstance(found, Problem)
    assert found.message.endswith("not found; pass its file")


ROLES = ("reg-master", "core", "static")
OWN = files(("core", "mine", "k", "core/conf/core.yml"))
MINE = {("ConfigMap", "mine"): {"k": b"content"}}


class TestReplacedFiles:
    """Single files in the place of those of a built-in release, or of an archive."""

    @pytest.mark.parametrize(
        ("release", "wanted", "expected"),
        [
            (None, None, True),
            ("1.9.2", None, True),
            (None, OWN, True),
            ("1.9.2", OWN, True),
            (None, files(*((role, "mine", "k", "pryv.yml") for role in ROLES)), False),
            (None, files(*((role, "mine", "k", "pryv.yml.j2") for role in ROLES)), False),
            (None, files(("core", "mine", "k", "pryv.yml")), True),
            (None, files(*((role, "mine", "k", "pryv.yml") for role in ROLES[1:])), True),
            ("1.9.2", files(("core", "mine", "k", "pryv.yml")), True),
            ("1.9.2", archive(), False),
        ],
    )
    def test_when_a_built_in_release_is_rendered(
        self, release: Any, wanted: Templates | None, expected: bool
    ) -> None:
        spec = PryvPlatformSpec(domain="pryv.acme.health", release=release, templates=wanted)
        assert uses_builtin_release(spec) is expected

    def test_one_file_of_a_built_in_release(self) -> None:
        base = load_release()
        found = read_files(OWN.files or (), base, MINE)
        assert isinstance(found, Bundle)
        name = next(
            path for path in base.roles["core"] if base.output(path) == "core/conf/core.yml"
        )
        others = {path: text for path, text in base.roles["core"].items() if path != name}
        assert found.roles["core"] == {**others, "core/conf/core.yml": b"content"}
        assert {role: files for role, files in found.roles.items() if role != "core"} == {
            role: files for role, files in base.roles.items() if role != "core"
        }
        (replaced,) = found.replaced
        assert replaced.original == base.roles["core"][name]
        assert replaced.replacement == b"content"

    @pytest.mark.parametrize(
        "path",
        ["core/conf", "core", "../x", "/core/conf/x", "core//conf/x", "core/x", "./pryv.yml"],
    )
    def test_a_path_without_effect_is_named(self, path: str) -> None:
        item = TemplateItem.model_construct(key="k", path=path)
        (source,) = OWN.files or ()
        found = read_files([source.model_copy(update={"items": [item]})], load_release(), MINE)
        assert isinstance(found, Problem)
        assert found.reason == "InvalidTemplates"
        assert f'"{path}"' in found.message

    @pytest.mark.parametrize("jinja", [False, True])
    @pytest.mark.parametrize(("theirs", "mine"), [("a", "a.j2"), ("a.j2", "a"), ("a", "a")])
    def test_a_file_is_replaced_by_the_path_of_what_is_rendered(
        self, theirs: str, mine: str, jinja: bool
    ) -> None:
        base = Bundle("x", "1", {"core": {theirs: b"1", "b": b"2"}}, jinja=jinja)
        found = base.with_files({"core": {mine: b"3"}})
        same = jinja or theirs == mine
        assert found.roles["core"] == {"b": b"2", mine: b"3"} | ({} if same else {theirs: b"1"})
        assert found.replaced[0].original == (b"1" if same else None)
        assert base.roles["core"] == {theirs: b"1", "b": b"2"}
