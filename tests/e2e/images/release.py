"""The images that a release names in its compose files."""

from __future__ import annotations

from functools import cache
from typing import Final

from pryv_operator.api.kubernetes import WORKLOAD_KINDS
from pryv_operator.desired.state import compute_desired
from tests.unit.builders import inputs, platform

_ROLES: Final = (
    {"core": {"instances": [{"name": "co1"}]}, "reg-slave": {}},
    {"singlenode": {"address": "192.0.2.7"}},
)


@cache
def images_of_release() -> tuple[str, ...]:
    """All images of the built-in release, as the operator's pods name them."""
    found = set()
    for roles in _ROLES:
        desired = compute_desired(inputs(platform(roles=roles)))
        for item in desired.objects:
            if item["kind"] in WORKLOAD_KINDS:
                found |= {c["image"] for c in item["spec"]["template"]["spec"]["containers"]}
    return tuple(sorted(found))


def name_of(image: str) -> str:
    """The last part of an image's repository, such as ``core`` of docker.io/pryvio/core:1.9.2."""
    return image.rpartition("/")[2].partition(":")[0]
