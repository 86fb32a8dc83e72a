"""The role instances of a platform: identified by name, never by position."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.api.instances import Instance, instances
from pryv_operator.api.spec import PryvPlatformSpec


def layout(roles: dict[str, Any] | None = None) -> tuple[Instance, ...]:
    return instances(
        PryvPlatformSpec.model_validate(
            {"domain": "acme.health"} | ({"roles": roles} if roles else {})
        )
    )


def test_the_default_roles_of_a_platform_with_just_a_domain() -> None:
    assert [(each.role, each.name, each.host, each.hosting) for each in layout()] == [
        ("reg-master", "reg", "reg", None),
        ("core", "co1", "co1", "hosting1"),
        ("static", "sw", "sw", None),
    ]


def test_a_role_is_desired_if_present() -> None:
    assert [each.name for each in layout({"reg-slave": {}})] == ["reg", "co1", "sw", "reg-slave"]


@given(st.permutations(["co1", "co2", "co10", "zurich"]))
def test_the_order_of_core_instances_in_the_spec_does_not_matter(order: list[str]) -> None:
    found = layout(
        {"core": {"instances": [{"name": name, "hosting": f"h-{name}"} for name in order]}}
    )
    assert [(each.name, each.hosting) for each in found if each.role == "core"] == [
        ("co1", "h-co1"),
        ("co10", "h-co10"),
        ("co2", "h-co2"),
        ("zurich", "h-zurich"),
    ]


def test_overrides_are_found_under_either_spelling_of_a_compose_service() -> None:
    (found,) = (
        each
        for each in layout({"reg-master": {"components": {"reverse-proxy": {"replicas": 2}}}})
        if each.role == "reg-master"
    )
    assert found.overrides_of("reverse_proxy").replicas == 2
    assert found.overrides_of("register").replicas is None
