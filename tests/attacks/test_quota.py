"""A ResourceQuota limits how many PryvPlatforms a tenant creates, as docs/secure.md recommends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.platforms import PlatformUser
from tests.cluster.api_client import ApiError
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fixtures import new_namespace
from tests.cluster.waiting import wait_until

COUNT = "count/pryvplatforms.pryv.io"


def test_a_quota_limits_the_platforms_of_a_namespace(
    control_plane: ControlPlane, chart_kubeconfig: Path
) -> None:
    assert chart_kubeconfig  # the CRD is installed
    with new_namespace(control_plane) as namespace, new_namespace(control_plane) as other:
        tenant = PlatformUser(control_plane, namespace)
        control_plane.api.create(
            f"/api/v1/namespaces/{namespace}/resourcequotas",
            {"metadata": {"name": "platforms"}, "spec": {"hard": {COUNT: "2"}}},
        )

        def used() -> str | None:
            status = tenant.get("resourcequota", "platforms").get("status") or {}
            return (status.get("used") or {}).get(COUNT)

        def create(user: PlatformUser, name: str) -> None:
            user.control_plane.api.create(user.path("pryvplatform"), platform(name))

        wait_until(lambda: used() == "0", "the quota to be counted", seconds=90)
        create(tenant, "a")
        create(tenant, "b")
        with pytest.raises(ApiError, match=f"exceeded quota: platforms, requested: {COUNT}=1"):
            create(tenant, "c")
        create(PlatformUser(control_plane, other), "c")
        tenant.delete("pryvplatform", "a")
        wait_until(lambda: used() == "1", "the deleted one to be counted", seconds=90)
        create(tenant, "c")


def platform(name: str) -> dict[str, object]:
    return {
        "apiVersion": "pryv.io/v1alpha1",
        "kind": "PryvPlatform",
        "metadata": {"name": name},
        "spec": {"domain": f"{name}.pryv.test"},
    }
