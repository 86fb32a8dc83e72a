"""A first installation, compared with a client that only writes the same objects."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Final

from tests.api.platforms import MANAGED_KINDS, Object, PlatformUser
from tests.bench.context import Context, echo
from tests.bench.results import Measurement, Result

#: As many requests at a time as the operator sends for one platform.
_CONCURRENCY: Final = "8"
#: Installed at once: as many as a busy day brings.
_MANY: Final = 20
_BATCH_SECONDS: Final = 0.2
#: What the API server writes, and what belongs to another object.
_SERVER_FIELDS: Final = (
    "creationTimestamp", "generation", "managedFields", "ownerReferences", "resourceVersion", "uid",
)  # fmt: skip
_ADDRESSES: Final = ("clusterIP", "clusterIPs", "healthCheckNodePort", "volumeName")


@dataclass(frozen=True)
class Written:
    """One run of the bare writer."""

    seconds: float
    cpu_seconds: float
    objects: int


def measure(context: Context) -> Result:
    """One platform at a time, then many at once."""
    rounds, many = context.options.rounds, min(context.options.platforms, _MANY)
    alone, bare = [], []
    with context.operator(
        "--resync-seconds=86400", f"--batch-seconds={_BATCH_SECONDS}"
    ) as operator:
        for number in range(rounds):
            operator.wait_at_rest()
            with context.fleet(f"install-{number}", 1) as fleet:
                alone.append(operator.during(lambda: fleet.install(seconds=300)))
                bare.append(write_bare(context, f"bare-{number}", fleet.user(0), 1))
                objects = fleet.objects(0)
            echo(f"installed: {alone[-1].usage.cpu_seconds:.2f} s of CPU")
    with context.operator() as operator, context.fleet("many", many) as fleet:
        idle = operator.memory().resident
        together = operator.during(lambda: fleet.install(seconds=60 + 10 * many))
        peak = operator.memory().peak
        at_once = write_bare(context, "bare-many", fleet.user(0), many)
    return Result(
        "install",
        "First installation",
        (
            Measurement(
                "CPU of an installation",
                "s",
                tuple(each.usage.cpu_seconds for each in alone),
                tuple(each.cpu_seconds for each in bare),
                "bare writer",
            ),
            Measurement(
                "applied until Ready",
                "s",
                tuple(each.seconds for each in alone),
                tuple(each.seconds for each in bare),
                "bare writer, without pods",
            ),
            Measurement(
                "requests that write, dry runs included",
                "",
                tuple(each.usage.writes for each in alone),
                tuple(each.objects for each in bare),
                "bare writer",
            ),
            Measurement(
                "requests that read",
                "",
                tuple(each.usage.reads for each in alone),
                tuple(each.objects for each in bare),
                "objects",
            ),
            Measurement("reconciliations", "", tuple(each.usage.reconciliations for each in alone)),
            Measurement(
                f"CPU of each of {many} installations at once",
                "s",
                (together.usage.cpu_seconds / many,),
                (at_once.cpu_seconds / many,),
                "bare writer",
            ),
            Measurement(
                f"reconciliations of each of {many} at once",
                "",
                (together.usage.reconciliations / many,),
            ),
            Measurement(
                f"peak RSS of the operator, {many} installed at once",
                "MiB",
                (peak,),
                (idle,),
                "before",
            ),
            Measurement(
                f"peak RSS with child processes, {many} installed at once",
                "MiB",
                (together.peak_mebibytes,),
                (idle,),
                "before",
            ),
        ),
        notes=(
            f"A platform of one core is {objects} objects.",
            "Its pods are simulated: they are Ready at once.",
            "The bare writer sends one POST for each object, eight at a time, and reads nothing.",
        ),
        requests={
            "one installation": alone[-1].usage.by_verb,
            f"each of {many} at once": together.usage.divided_by(many).by_verb,
        },
    )


def write_bare(context: Context, prefix: str, source: PlatformUser, count: int) -> Written:
    """Write the objects of a platform into other namespaces, so many times."""
    objects = source.list(MANAGED_KINDS)
    with context.fleet(prefix, count) as fleet:
        requests = [
            (fleet.user(number).path(item["kind"]), bare(item))
            for number in range(count)
            for item in objects
        ]
        file = context.cluster.folder / f"{prefix}.json"
        file.write_text(json.dumps(requests))
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.bare_writer", str(context.cluster.kubeconfig),
             str(file), _CONCURRENCY],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    found = json.loads(done.stdout)
    return Written(found["seconds"], found["cpu_seconds"], len(requests))


def bare(item: Object) -> Object:
    """An object as it can be created in another namespace. Nothing selects its pods."""
    metadata = {
        key: value
        for key, value in item["metadata"].items()
        if key not in (*_SERVER_FIELDS, "namespace")
    }
    spec = {key: value for key, value in item.get("spec", {}).items() if key not in _ADDRESSES}
    if item.get("spec", {}).get("clusterIP") == "None":
        spec["clusterIP"] = "None"
    if "replicas" in spec:
        spec["replicas"] = 0
    # Another manager than the operator: it must not count, reconcile or delete these objects.
    metadata["labels"] = {**metadata.get("labels", {}), "app.kubernetes.io/managed-by": "bench"}
    without = {key: value for key, value in item.items() if key not in ("spec", "status")}
    return {
        **without,
        "metadata": metadata,
        **({"spec": _without_node_ports(spec)} if spec else {}),
    }


def _without_node_ports(spec: Object) -> Object:
    ports = spec.get("ports")
    if not ports:
        return spec
    return {
        **spec,
        "ports": [
            {key: value for key, value in port.items() if key != "nodePort"} for port in ports
        ],
    }
