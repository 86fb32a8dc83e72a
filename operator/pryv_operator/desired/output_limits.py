"""How much a platform may consist of, checked before any of its objects is built.

The largest platform of release 1.9.2, with 32 cores, has 266 workloads; its configuration takes
42 KB.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pryv_operator.api.findings import Problem
from pryv_operator.api.reasons import Reason
from pryv_operator.objects.model import Component

#: Services times instances: each is a workload with a Service, a NetworkPolicy and PVCs.
WORKLOAD_LIMIT: Final = 1500
#: Bytes of all ConfigMaps and Secrets together; those of a service are counted once per role.
CONFIGURATION_LIMIT: Final = 16 * 1024 * 1024
#: The message if only the secrets in the files exceed it.
HIDDEN_MESSAGE: Final = (
    "templates: the files that services mount (counted for each service) are together too large "
    "with their secrets; shorten the Secrets that go into them"
)
#: Files of all ConfigMaps and Secrets together: each is an entry of a pod template, too.
FILE_LIMIT: Final = 20_000


def check_workloads(services: Iterable[int]) -> tuple[Problem, ...]:
    """The problem of too many workloads; ``services`` are those of each instance."""
    count = sum(services)
    if count <= WORKLOAD_LIMIT:
        return ()
    return (
        Problem(
            Reason.LIMIT_EXCEEDED,
            f"spec.roles: {count:,} workloads (services of pryv.yml times instances), and a "
            f"platform may have {WORKLOAD_LIMIT:,}; remove services or instances",
        ),
    )


def check_configuration(components: Iterable[Component]) -> tuple[Problem, ...]:
    """The problem of more configuration than may be written.

    Sizes of masked texts are checked first, so that a secret does not change what is told.
    """
    stored = {
        (each.instance.role, each.service.name, each.files): each.files for each in components
    }
    files = [file for each in stored.values() for file in each]
    if len(files) > FILE_LIMIT:
        return (
            Problem(
                Reason.LIMIT_EXCEEDED,
                f"templates: {len(files):,} files in the folders that services mount (counted for "
                f"each service), and a platform may have {FILE_LIMIT:,}; mount smaller folders",
            ),
        )
    if sum(file.visible_size for file in files) > CONFIGURATION_LIMIT:
        return (
            Problem(
                Reason.LIMIT_EXCEEDED,
                "templates: the files that services mount (counted for each service) exceed "
                f"{CONFIGURATION_LIMIT // 1024 // 1024} MiB together; mount smaller folders, or "
                "shorten the files",
            ),
        )
    if sum(file.size for file in files) > CONFIGURATION_LIMIT:
        return (Problem(Reason.LIMIT_EXCEEDED, HIDDEN_MESSAGE),)
    return ()
