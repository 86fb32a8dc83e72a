"""The endpoints of the process, over a socket."""

from __future__ import annotations

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from pryv_operator.api.status import PryvPlatformStatus
from pryv_operator.kube import health_endpoints
from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.platform_metrics import GAUGES, PlatformMetrics


async def test_the_process_and_its_platforms_are_exposed_together() -> None:
    reported = PlatformMetrics()
    key = Key("pryv", "exposed-together")
    reported.report_failure(key, PryvPlatformStatus(revision=7))
    try:
        async with (
            health_endpoints.serving(
                "127.0.0.1", 0, healthy=lambda: None, ready=lambda: "not yet"
            ) as port,
            aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
        ):
            async with session.get("/metrics") as response:
                assert response.headers["Content-Type"].startswith("text/plain; version=")
                families = list(text_string_to_metric_families(await response.text()))
            async with session.get("/readyz") as response:
                assert (response.status, await response.text()) == (503, "not yet\n")
    finally:
        reported.forget(key)
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    assert {"pryv_operator_build_info", "process_start_time_seconds"} <= set(names)
    assert {each.name for each in GAUGES.describe()} <= set(names)
    (revision,) = [
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == "pryv_platform_revision" and sample.labels["name"] == key.name
    ]
    assert revision == 7
