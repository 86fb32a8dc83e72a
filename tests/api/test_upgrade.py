"""An upgrade of the operator rolls nothing: objects of earlier versions are not changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pryv_operator.api.kubernetes import WORKLOAD_KINDS
from tests.api.operator_process import OperatorProcess
from tests.api.platforms import MANAGED_KINDS, PlatformUser, platform
from tests.cluster.waiting import wait_until

#: The keys in there were made for these files, and are used nowhere else.
#: Files with what the operator of a commit had applied: ``spec``, ``status`` and ``objects``.
EARLIER = sorted((Path(__file__).parent / "upgrade").glob("*.json"))


@pytest.mark.long
@pytest.mark.parametrize("path", EARLIER, ids=[path.stem for path in EARLIER])
def test_upgrade_rolls_nothing(user: PlatformUser, operator: OperatorProcess, path: Path) -> None:
    earlier = json.loads(path.read_text())
    operator.stop()
    try:
        user.apply({**platform(), "spec": earlier["spec"]})
        uid = user.get("pryvplatform", "acme")["metadata"]["uid"]
        status = json.dumps({"status": earlier["status"]})
        user.kubectl(
            "patch", "pryvplatform", "acme", "--subresource=status", "--type=merge", "-p", status
        )
        apply_as_the_operator(user, [owned(item, uid) for item in earlier["objects"]])
        components = sum(item["kind"] in WORKLOAD_KINDS for item in earlier["objects"])
        wait_until(
            lambda: len(user.pods()) == components and all_ready(user),
            "the earlier version's pods",
            seconds=90,
        )
        before = pods_and_templates(user)
    finally:
        operator.start()
    user.wait_ready()
    user.wait_steady()
    if "revision" in earlier["status"]:
        assert pods_and_templates(user) == before
        found = user.get("pryvplatform", "acme")["status"]
        assert found["revision"] == earlier["status"]["revision"], "the upgrade is not a revision"
    else:
        # Without a history there is nothing to compare with: the upgrade is the first revision.
        assert {*before[0]} <= {*user.pods()}
    resting = at_rest(user)
    user.trigger_reconciliations(3)
    assert at_rest(user) == resting


def owned(item: dict[str, Any], uid: str) -> dict[str, Any]:
    owners = [{**owner, "uid": uid} for owner in item["metadata"].get("ownerReferences", ())]
    return {
        **item,
        "metadata": {**item["metadata"], **({"ownerReferences": owners} if owners else {})},
    }


def apply_as_the_operator(user: PlatformUser, objects: list[dict[str, Any]]) -> None:
    body = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    user.kubectl("apply", "--server-side", "--field-manager=pryv-operator", "-f", "-", stdin=body)


def at_rest(user: PlatformUser) -> tuple[dict[str, str], int]:
    """The resourceVersions of all managed objects, and the number of events."""
    return user.resource_versions(f"{MANAGED_KINDS},controllerrevisions"), len(user.events())


def all_ready(user: PlatformUser) -> bool:
    return all(
        any(
            each["type"] == "Ready" and each["status"] == "True"
            for each in pod.get("status", {}).get("conditions", ())
        )
        for pod in user.list("pods")
    )


def pods_and_templates(user: PlatformUser) -> tuple[dict[str, str], dict[str, Any]]:
    return user.pods(), {
        item["metadata"]["name"]: item["spec"]["template"]
        for item in user.list("deployments,statefulsets")
    }
