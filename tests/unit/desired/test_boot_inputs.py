"""A component rolls when what it reads from another one at its start changes, and only then."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pryv_operator.api import names
from pryv_operator.api.labels_annotations import BOOT_INPUTS
from pryv_operator.desired.boot_inputs import with_boot_inputs
from pryv_operator.desired.state import Desired, compute_desired
from pryv_operator.objects.model import BootInputs, Component, File
from pryv_operator.templates.leader_archive import read_leader_archive
from tests.examples import examples
from tests.unit.builders import (
    DOMAIN,
    changed_workloads,
    component,
    inputs,
    instance,
    platform,
    service,
    state,
    workloads,
)
from tests.unit.templates.archives import release_files, tgz

READERS = {"core", "hfs", "preview", "webhooks"}
REG = instance(names.REG_MASTER, "reg")
URL = f"https://reg.{DOMAIN}/service/info"
SERVICE = {"name": "Acme", "assets": {"definitions": "https://acme.health/assets.json"}}


def readers(found: Desired) -> set[str]:
    """The components that have boot inputs."""
    return {
        name
        for name, item in workloads(found).items()
        if BOOT_INPUTS in item["spec"]["template"]["metadata"].get("annotations", {})
    }


def answering(found: Desired) -> Any:
    """What register answers, of its rendered file (``src/business/service-info.js``)."""
    (text,) = (
        text
        for item in found.objects
        if item["kind"] == "Secret"
        for key, text in item["data"].items()
        if key.endswith("register.json")
    )
    settings = json.loads(base64.b64decode(text))
    return {**settings["service"], "version": settings["reporting"]["templateVersion"]}


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ({}, {f"acme-co1-{each}" for each in READERS}),
        ({"singlenode": {}}, {f"acme-single-{each}" for each in READERS}),
    ],
    ids=["cluster", "single-node"],
)
def test_who_reads_and_from_whom(roles: dict[str, Any], expected: set[str]) -> None:
    found = state(roles=roles)
    assert readers(found) == expected
    provider = "acme-single-register" if roles else "acme-reg-register"
    plans = [each for plan in found.instances for each in plan.workloads]
    assert {each.name: each.reads for each in plans if each.reads} == dict.fromkeys(
        expected, provider
    )


_texts = st.sampled_from(["", "Acme", "Acme Health", "𠀀", "𠀁"])
_urls = st.sampled_from(["https://acme.health/a", "https://acme.health/b"])
#: Variables of the answer, and others of the same files.
_variables = st.fixed_dictionaries(
    {},
    optional={
        "PLATFORM_NAME": _texts,
        "SUPPORT_URL": _urls,
        "TERMS_OF_USE_URL": _urls,
        "EVENT_TYPES_URL": _urls,
        "SERVICE_INFO_ASSETS": st.fixed_dictionaries({"definitions": _urls}),
        "INVITATION_TOKENS": st.none() | st.just(["enjoy1"]),
        "DNS_ROOT_TXT_ARRAY": st.lists(_texts.filter(str.isascii), max_size=1),
        "DEFAULT_AUTH_URL": _urls,
        "DISABLE_GET_USERNAME_BY_EMAIL": st.booleans(),
        "DNS_CUSTOM_ENTRIES": st.just({"www": {"ip": "203.0.113.99"}}),
    },
)


@settings(max_examples=examples(25))
@given(_variables, _variables, st.sampled_from([{}, {"singlenode": {}}]))
def test_readers_roll_when_the_answer_changes_and_only_then(
    before: dict[str, Any], after: dict[str, Any], roles: dict[str, Any]
) -> None:
    old, new = (state(variables=each, roles=roles) for each in (before, after))
    assert (old.complete, new.complete) == (True, True), (old.problems, new.problems)
    rolled = changed_workloads(old, new) & readers(old)
    assert rolled == (readers(old) if answering(old) != answering(new) else set())


def test_the_key_of_an_administrator_rolls_no_reader() -> None:
    changed = compute_desired(inputs(secrets={"REGISTER_ADMIN_KEY": "another"}))
    assert not changed_workloads(state(), changed) & readers(changed)


def test_a_secret_in_the_answer_shows_nowhere() -> None:
    """The digest would let a reader of pods verify guesses, so the readers are not restarted."""
    secrets = {"PLATFORM_NAME": {"secretKeyRef": {"name": "a", "key": "b"}}}
    one, other = (
        compute_desired(inputs(platform(secrets=secrets), secrets={"PLATFORM_NAME": value}))
        for value in ("Acme", "Other")
    )
    assert one.complete
    assert readers(one)
    assert changed_workloads(one, other) == {"acme-reg-register", "acme-reg-dns"}


# Templates of users


def platform_of(
    url: str = URL, registered: File | None = None, *, at: Any = REG
) -> dict[str, Component]:
    """Register with its file, and core with a file that says where to read the answer."""
    conf = registered or register_json({"service": SERVICE})
    core = File("core/conf/core.json", json.dumps({"serviceInfoUrl": url}), secret=False)
    found = with_boot_inputs(
        [
            component("register", at=at, files=[conf]),
            component("core", beside=[service("register")], files=[core]),
        ]
    )
    return {each.service.name: each for each in found}


def register_json(settings: Any, **fields: Any) -> File:
    text = settings if isinstance(settings, str) else json.dumps(settings)
    return File("register/conf/register.json", text, **{"secret": False, **fields})


def read(*args: Any, **more: Any) -> BootInputs | None:
    found = platform_of(*args, **more)
    assert found["register"].boot_inputs is None
    return found["core"].boot_inputs


@pytest.mark.parametrize(
    "url", [URL, f"https://reg.{DOMAIN}:443/service/info", f"https://access.{DOMAIN}/service/info"]
)
def test_a_name_of_the_platform_is_reg_masters_register(url: str) -> None:
    found = read(url)
    assert found is not None
    assert found.provider == "acme-reg-register"


def test_a_compose_name_is_the_register_of_the_instance() -> None:
    url = "http://register:9000/service/info"
    found = read(url, at=instance())
    assert found is not None
    assert found.provider == "acme-co1-register"
    assert read(url) is None, "reg-master's has another name"


@pytest.mark.parametrize(
    ("url", "at"),
    [
        ("https://reg.example.com/service/info", REG),
        ("file:///app/conf/service-info.json", REG),
        (f"https://co1.{DOMAIN}/reg/service/info", REG),
        ("", REG),
        (URL, instance(names.REG_SLAVE, "reg-slave")),
    ],
    ids=["elsewhere", "a file", "core itself", "nothing", "a slave"],
)
def test_what_is_not_read_from_the_platform_rolls_nothing(url: str, at: Any) -> None:
    assert read(url, at=at) is None


def test_a_platform_without_a_register_has_no_boot_inputs() -> None:
    core = File("core/conf/core.json", json.dumps({"serviceInfoUrl": URL}), secret=False)
    (found,) = with_boot_inputs([component("core", files=[core])])
    assert found.boot_inputs is None


def test_a_register_without_its_file_has_no_answer() -> None:
    assert read(URL, File("register/conf/other.json", "{}", secret=False)) is None


@pytest.mark.parametrize(
    ("settings", "counts"),
    [
        ({"service": {"name": "Other"}}, True),
        ({"service": SERVICE, "reporting": {"templateVersion": "1"}}, True),
        ({"service": SERVICE, "serial": "1"}, True),
        ({"service": SERVICE, "http": {"register": {"url": "https://a.b"}}}, True),
        ({"service": SERVICE, "http": {"static": {"access": "https://a.b"}}}, False),
        ({"service": SERVICE, "reporting": {"licenseName": "a"}}, False),
        ({"service": SERVICE, "net": {"hostings": {}}}, False),
        ({"net": "x", "service": dict(reversed(SERVICE.items()))}, False),
    ],
)
def test_keys_of_all_releases_count(settings: Any, counts: bool) -> None:
    assert (read(URL, register_json(settings)) != read()) is counts


@pytest.mark.parametrize("text", ['{"service": ', "[1]", '{"a":' * 100_000])
def test_a_file_that_does_not_parse_counts_as_a_whole(text: str) -> None:
    one, other = (read(URL, register_json(each)) for each in (text, f"{text} "))
    assert None not in (one, other)
    assert one != other
    hidden = [read(URL, register_json(each, secret=True)) for each in (text, f"{text} ")]
    assert hidden[0] == hidden[1], "but for one that may hold secrets"


@pytest.mark.parametrize(
    ("release", "roles", "expected"),
    [
        ("1.9.2-cluster", {}, READERS),
        ("1.9.2-single-node", {"singlenode": {}}, READERS),
        ("1.7.3-single-node", {"singlenode": {}}, READERS),
        ("1.6.12-cluster", {}, READERS),
        ("2019-seed-era", {}, set()),
    ],
)
@pytest.mark.parametrize("secret", [False, True], ids=["ConfigMap", "Secret"])
def test_archives_of_all_releases(
    shared_pryv: Path, release: str, roles: dict[str, Any], expected: set[str], secret: bool
) -> None:
    """Core of 2019 read nothing from register when it started."""
    bundle = read_leader_archive(tgz(release_files(shared_pryv / "releases", release))).bundle
    bundle = replace(bundle, secret=secret)

    def of(**variables: Any) -> Desired:
        return compute_desired(inputs(platform(roles=roles, variables=variables), bundle=bundle))

    before, renamed = of(PLATFORM_NAME="Acme"), of(PLATFORM_NAME="Other")
    assert not before.problems
    instance_name = "single" if roles else "co1"
    assert readers(before) == {f"acme-{instance_name}-{each}" for each in expected}
    rolled = changed_workloads(before, renamed)
    assert rolled & readers(before) == readers(before)
    assert any(name.endswith("-register") for name in rolled)
