"""How large a platform may be, and that its files are searched once, however many mount them."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object
from pryv_operator.api.reasons import Reason
from pryv_operator.desired import components, output_limits
from pryv_operator.desired.state import compute_desired
from pryv_operator.objects import model
from tests.unit.attacks_templates import own
from tests.unit.builders import inputs, platform, state

CORES = {"core": {"instances": [{"name": f"co{index}"} for index in range(1, 9)]}}


def compose(services: int) -> str:
    return "services:\n" + "".join(
        f"  s{index}:\n    image: a:1\n    volumes: ['./web/conf:/c:ro']\n"
        for index in range(services)
    )


def test_the_largest_honest_platform_is_far_below_the_limits() -> None:
    cores = [{"name": f"co{index}"} for index in range(1, 33)]
    found = state(roles={"core": {"instances": cores}, "reg-slave": {}})
    assert found.problems == ()
    count = sum(len(plan.workloads) for plan in found.instances)
    assert count * 4 < output_limits.WORKLOAD_LIMIT
    stored = sum(
        len(text)
        for item in found.objects
        if item["kind"] in ("ConfigMap", "Secret")
        for text in item["data"].values()
    )
    assert stored * 20 < output_limits.CONFIGURATION_LIMIT
    assert sum(map(mounted_files, found.objects)) * 10 < output_limits.FILE_LIMIT
    objects = (*found.services, *found.objects)
    assert sum(len(json.dumps(item)) for item in objects) * 2.5 < output_limits.OBJECTS_LIMIT


def test_too_many_workloads_are_refused_before_one_is_built() -> None:
    cores = [{"name": f"co{index}"} for index in range(1, 33)]
    bundle = own({"pryv.yml": compose(64)}, jinja=False)
    found = compute_desired(
        inputs(platform(roles={"core": {"instances": cores}}), bundle=bundle, addresses={})
    )
    assert [each.reason for each in found.problems] == [Reason.LIMIT_EXCEEDED]
    assert "2,050 workloads" in found.problems[0].message


def test_a_folder_that_all_services_mount_counts_for_each() -> None:
    files = {f"web/conf/{index}.conf": "x" * 900_000 for index in range(3)}
    bundle = own({"pryv.yml": compose(64), **files}, jinja=False)
    found = compute_desired(inputs(platform(), bundle=bundle, addresses={}))
    assert [each.reason for each in found.problems] == [Reason.LIMIT_EXCEEDED]
    assert not found.objects


def test_many_small_files_count_too() -> None:
    files = {f"web/conf/{index}.conf": "x" for index in range(400)}
    bundle = own({"pryv.yml": compose(64), **files}, jinja=False)
    found = compute_desired(inputs(platform(), bundle=bundle, addresses={}))
    assert [each.reason for each in found.problems] == [Reason.LIMIT_EXCEEDED]


def test_files_count_for_each_instance() -> None:
    """Each has pod templates of its own: 900 files in 13 services of 32 cores were 19 MB."""
    files = {f"web/conf/{index}.conf": "x" for index in range(60)}
    cores = [{"name": f"co{index}"} for index in range(1, 33)]
    found = compute_desired(
        inputs(
            platform(roles={"core": {"instances": cores}}),
            bundle=own({"pryv.yml": compose(13), **files}, jinja=False),
            addresses={},
        )
    )
    assert [each.reason for each in found.problems] == [Reason.LIMIT_EXCEEDED]
    assert "24,960 files" in found.problems[0].message
    assert not found.objects


@pytest.mark.parametrize("known", [True, False], ids=["objects", "only Services"])
def test_all_objects_together_are_limited(known: bool) -> None:
    """What is small in a compose file is repeated for each service and instance."""
    ports = " ".join(f"s0:{number}" for number in range(10_000, 13_000))
    environment = "".join(f"      E{index}: v\n" for index in range(3000))
    text = (
        "services:\n  s0:\n    image: a:1\n    volumes: ['./web/conf:/c:ro']\n"
        f"    environment: &all\n{environment}  s1:\n    image: a:1\n    environment: *all\n"
    )
    cores = [{"name": f"co{index}"} for index in range(1, 33)]
    given = inputs(
        platform(roles={"core": {"instances": cores}}),
        bundle=own({"pryv.yml": text, "web/conf/a.conf": ports}, jinja=False),
        **({} if known else {"addresses": {}}),
    )
    found = compute_desired(given)
    assert [each.reason for each in found.problems] == [Reason.LIMIT_EXCEEDED]
    assert "exceed 6 MiB of JSON" in found.problems[0].message
    assert not found.objects
    assert not found.services


_texts = st.text(st.characters(exclude_categories=["Cs"])) | st.text("\x7f\0\n")
_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | _texts,
    lambda inner: st.lists(inner) | st.dictionaries(_texts, inner),
)


@given(st.dictionaries(_texts, _values))
@example({"a": "\x7f" * 100})
def test_the_quick_bound_is_never_less_than_the_size(item: Object) -> None:
    assert output_limits._most_characters(item) >= len(json.dumps(item))


@pytest.mark.parametrize("character", ["a", "\x7f", "\0", "é", "\U0001f600"])
def test_no_character_evades_the_limit_of_all_objects(character: str) -> None:
    item = {"kind": "ConfigMap", "data": {"a": character * 100_000}}
    count = output_limits.OBJECTS_LIMIT // len(json.dumps(item))
    assert not output_limits.check_objects([item] * count)
    assert output_limits.check_objects([item] * (count + 1))


def mounted_files(item: Object) -> int:
    """Entries of the projected volumes of a workload."""
    template = item["spec"]["template"]["spec"] if item["kind"] in WORKLOAD_KINDS else {}
    return sum(
        len(reference.get("items", ()))
        for volume in template.get("volumes", ())
        for source in volume.get("projected", {}).get("sources", ())
        for reference in source.values()
    )


def test_files_are_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not once per service and instance: 64 services of eight cores took 93 seconds."""
    searched = {"ports": 0, "upstreams": 0}
    named_ports, upstreams = components._named_ports, model.public_upstreams

    def count_ports(files: object) -> object:
        searched["ports"] += 1
        return named_ports(files)  # type: ignore[arg-type]

    def count_upstreams(texts: object) -> object:
        searched["upstreams"] += 1
        return upstreams(texts)  # type: ignore[arg-type]

    monkeypatch.setattr(components, "_named_ports", count_ports)
    monkeypatch.setattr(model, "public_upstreams", count_upstreams)
    files = {f"web/conf/{index}.conf": "s1:4001" for index in range(5)}
    text = compose(20).replace("a:1", "pryvio/nginx:1")
    bundle = own({"pryv.yml": text, **files}, jinja=False)
    found = compute_desired(inputs(platform(roles=CORES), bundle=bundle, addresses={}))
    assert found.problems == ()
    assert searched["ports"] == 3  # once per role
    # Rendered files and the certificate's, once each, not 20 services times eight cores.
    assert searched["upstreams"] <= 3 * len(files) + 2 * 22
