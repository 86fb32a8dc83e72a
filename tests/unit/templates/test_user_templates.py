"""``spec.templates``: referenced objects become a bundle, or a problem that names the field."""

from __future__ import annotations

from typing import Any

import pytest

from pryv_operator.api.findings import Problem
from pryv_operator.api.spec import Templates
from pryv_operator.templates.bundle import Bundle
from pryv_operator.templates.user_templates import read_user_templates, referenced_objects
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


class TestReferencedObjects:
    """Which objects have to be read."""

    def test_archive_in_a_config_map(self) -> None:
        assert referenced_objects(archive()) == (("ConfigMap", "received"),)

    def test_archive_in_a_secret(self) -> None:
        assert referenced_objects(archive("secretKeyRef")) == (("Secret", "received"),)

    def test_each_config_map_once(self) -> None:
        wanted = files(("core", "b", "x", "x"), ("core", "a", "y", "y"), ("static", "b", "z", "z"))
        assert referenced_objects(wanted) == (("ConfigMap", "b"), ("ConfigMap", "a"))


class TestReading:
    """What becomes of the content."""

    @pytest.mark.parametrize(
        ("kind", "field"), [("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")]
    )
    def test_archive_from_a_secret_is_secret(self, kind: str, field: str) -> None:
        found = read_user_templates(
            archive(field), {(kind, "received"): {"a.tgz": tgz(reg_master(LEADER))}}
        )
        assert isinstance(found, Bundle)
        assert found.secret is (kind == "Secret")
        assert not found.jinja

    def test_files_that_no_follower_writes_are_dropped(self) -> None:
        packed = tgz(reg_master({**LEADER, "data/core/web/notes/a": b"", "data/core/b": b""}))
        found = read_user_templates(archive(), {("ConfigMap", "received"): {"a.tgz": packed}})
        assert isinstance(found, Bundle)
        assert sorted(found.roles["core"]) == ["b", "pryv.yml"]

    def test_files_are_jinja_templates_with_the_newest_release_variables(self) -> None:
        found = read_user_templates(
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
    found = read_user_templates(wanted, contents)
    assert isinstance(found, Problem)
    assert found.reason == reason
    assert message in found.message


def test_remedy_for_a_missing_object_is_the_callers() -> None:
    found = read_user_templates(archive(), {}, if_missing="pass its file")
    assert isinstance(found, Problem)
    assert found.message.endswith("not found; pass its file")
