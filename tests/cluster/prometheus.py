"""A real Prometheus, and promtool, built from their Go module into the cache."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from tests.cluster.binaries import BuildError, Module, ensure_programs
from tests.cluster.cache import print_with_time
from tests.cluster.control_plane import free_port
from tests.cluster.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.cluster.control_plane import ControlPlane

_MODULE: Final = Module(
    "prometheus",
    (
        "github.com/prometheus/prometheus/cmd/prometheus",
        "github.com/prometheus/prometheus/cmd/promtool",
    ),
    "-s -w",
    cold_seconds=200,
    tags=("remove_all_sd",),  # of service discoveries, only that of a list of addresses is left
)
START_SECONDS = 60


@dataclass(frozen=True)
class Programs:
    """Paths of the built programs."""

    prometheus: Path
    promtool: Path


def ensure_prometheus(echo: Callable[[str], None]) -> Programs:
    """Build them if they are not in the cache yet.

    Raises:
        BuildError: Go is missing or too old, or the build failed.
    """
    folder = ensure_programs("prometheus", (_MODULE,), echo)
    return Programs(folder / "prometheus", folder / "promtool")


def promtool(programs: Programs, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run promtool; its output is in ``stdout``."""
    return subprocess.run(
        [programs.promtool, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


class Prometheus:
    """A server that scrapes targets on the loopback, with rules."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **parameters: str) -> Any:
        """The data of an answer of its API."""
        with urlopen(f"{self.url}/api/v1/{path}?{urlencode(parameters)}", timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression yields now.

        Raises:
            HTTPError: it does not parse, or cannot be evaluated.
        """
        data = self.get("query", query=expression)
        result: list[dict[str, Any]] = data["result"] if data["resultType"] == "vector" else []
        return result


@contextmanager
def running_prometheus(
    control_plane: ControlPlane,
    programs: Programs,
    *,
    targets: Mapping[str, str],
    rules: Path,
    interval: str = "1s",
) -> Iterator[Prometheus]:
    """Run a server with a free port, beside a control plane, while the context lasts.

    Args:
        control_plane: whose folder it uses.
        programs: the built programs.
        targets: ``HOST:PORT`` → job.
        rules: a file with rules.
        interval: between scrapes, and between evaluations of the rules.
    """
    port = free_port()
    folder = control_plane.folder / f"prometheus-{port}"
    folder.mkdir()
    config = {
        "global": {"scrape_interval": interval, "evaluation_interval": interval},
        "rule_files": [str(rules)],
        "scrape_configs": [
            {
                "job_name": job,
                "honor_labels": True,  # as the chart's monitors do: a platform keeps its namespace
                "static_configs": [{"targets": [target], "labels": {"namespace": "pryv-system"}}],
            }
            for target, job in targets.items()
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{port}"
    server = control_plane.start_server(
        "prometheus",
        [
            programs.prometheus,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
        ],
    )

    def ready() -> bool:
        server.check_alive()
        try:
            with urlopen(f"http://{address}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    try:
        wait_until(ready, "Prometheus to be ready", seconds=START_SECONDS, every=0.1)
        yield Prometheus(f"http://{address}")
    finally:
        server.stop()


if __name__ == "__main__":
    try:
        ensure_prometheus(print_with_time)
    except BuildError as failed:
        sys.exit(str(failed))
