"""Content-addressed ConfigMaps and Secrets."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.api.kubernetes import Object
from pryv_operator.objects.configuration import (
    MAX_OBJECT_BYTES,
    Configuration,
    SecretNaming,
    configuration_of,
    object_key,
)
from pryv_operator.objects.model import File
from tests.unit.builders import component, platform

CANARY = "canary-7f3a"
NEW = SecretNaming(b"key")

_files = st.lists(
    st.builds(File, st.text("abc/", min_size=1, max_size=6), st.text(max_size=10), st.booleans()),
    unique_by=lambda file: file.path,
)


def of(files: Iterable[File], naming: SecretNaming = NEW) -> Configuration:
    return configuration_of(component("core", files=files), naming)


def name_of(file: File, naming: SecretNaming = NEW) -> str:
    (item,) = of([file], naming).objects
    return str(item["metadata"]["name"])


def texts_of(found: Configuration) -> dict[str, str]:
    """What a pod finds at each path."""
    objects = {(item["kind"], item["metadata"]["name"]): item["data"] for item in found.objects}
    return {
        path: text_of(each.kind, objects[each.kind, each.name][each.key])
        for path, each in found.references.items()
    }


def text_of(kind: str, data: str) -> str:
    return base64.b64decode(data).decode() if kind == "Secret" else data


@given(_files)
def test_every_file_has_a_reference_and_secret_files_are_in_secrets(files: list[File]) -> None:
    found = of(files)
    assert texts_of(found) == {file.path: file.text for file in files}
    assert {path: each.kind for path, each in found.references.items()} == {
        file.path: "Secret" if file.secret else "ConfigMap" for file in files
    }


@given(_files, st.randoms())
def test_the_order_of_files_does_not_matter(files: list[File], random: object) -> None:
    shuffled = list(files)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert of(shuffled) == of(files)


@given(_files)
def test_objects_are_immutable_and_have_labels(files: list[File]) -> None:
    for item in of(files).objects:
        assert item["immutable"] is True
        assert item["metadata"]["labels"]["pryv.io/purpose"] == "config"
        assert re.fullmatch("acme-core-core-[0-9a-f]{10}", item["metadata"]["name"])


@pytest.mark.parametrize("secret", [False, True])
def test_changed_content_changes_the_name(secret: bool) -> None:
    assert name_of(File("a", "one", secret)) == name_of(File("a", "one", secret))
    assert name_of(File("a", "one", secret)) != name_of(File("a", "two", secret))
    assert name_of(File("a", "one", secret)) != name_of(File("b", "one", secret))


def test_the_name_of_a_secret_does_not_let_a_reader_verify_guesses() -> None:
    secret, other = File("a", CANARY, secret=True), SecretNaming(b"another key")
    assert name_of(secret) != name_of(secret, other)
    plain = File("a", CANARY, secret=False)
    assert name_of(plain) == name_of(plain, other)
    assert name_of(secret) != name_of(plain)


def test_equal_content_of_two_components_does_not_show() -> None:
    secret = File("a", CANARY, secret=True)
    names = {
        str(configuration_of(component(each, files=[secret]), NEW).objects[0]["metadata"]["name"])
        for each in ("core", "hfs")
    }
    assert len({name[-10:] for name in names}) == 2


def test_a_name_of_an_earlier_version_stays() -> None:
    """It was a hash of the content alone."""
    secret = File("a", CANARY, secret=True)
    (before,) = of([secret]).objects
    live = {"acme-core-core-0123456789": before["data"]}
    assert name_of(secret, SecretNaming(b"key", live)) == "acme-core-core-0123456789"


def test_a_lost_hash_key_renames_no_live_secret() -> None:
    secret = File("a", CANARY, secret=True)
    (before,) = of([secret]).objects
    live = {before["metadata"]["name"]: before["data"]}
    assert of([secret], SecretNaming(b"another key", live)) == of([secret])
    changed = File("a", "changed", secret=True)
    assert name_of(changed, SecretNaming(b"another key", live)) == name_of(
        changed, SecretNaming(b"another key")
    )


def test_an_equal_secret_of_another_component_is_not_reused() -> None:
    secret = File("a", CANARY, secret=True)
    (mine,) = of([secret]).objects
    live = {
        "acme-core-core-router-0123456789": mine["data"],
        "acme-core-hfs-0123456789": mine["data"],
    }
    assert name_of(secret, SecretNaming(b"key", live)) == mine["metadata"]["name"]


def test_the_platform_owns_configuration() -> None:
    (item,) = of([File("a", "one", secret=False)]).objects
    (owner,) = item["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("PryvPlatform", "acme", platform().uid)


@pytest.mark.parametrize("secret", [False, True])
def test_files_that_exceed_one_object_are_split(secret: bool) -> None:
    files = [File(f"f{index}", "x" * (MAX_OBJECT_BYTES // 3), secret) for index in range(6)]
    found = of(files)
    assert len(found.objects) > 1
    assert len({item["metadata"]["name"] for item in found.objects}) == len(found.objects)
    assert all(size(item) <= 1 << 20 for item in found.objects)
    assert texts_of(found) == {file.path: file.text for file in files}


def test_stored_bytes_are_utf8_and_base64_for_secrets() -> None:
    assert File("a", "é" * 3, secret=False).size == 6
    assert File("a", "é" * 4, secret=True).size == 12


@given(st.sets(st.text("ab_/.-é", min_size=1, max_size=8), min_size=2, max_size=8))
def test_different_paths_have_different_keys(paths: set[str]) -> None:
    assert len({object_key(path) for path in paths}) == len(paths)


@given(st.text(min_size=1, max_size=400))
def test_any_path_has_a_valid_key(path: str) -> None:
    assert re.fullmatch(r"[-._a-zA-Z0-9]{1,253}", object_key(path))


def test_the_key_of_a_plain_path_is_readable() -> None:
    assert object_key("core/conf/core.yml") == "core__conf__core.yml"


def size(item: Object) -> int:
    return sum(len(value) for value in item["data"].values())
