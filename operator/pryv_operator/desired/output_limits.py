"""How much a platform may consist of. All but the last limit is checked before objects are built.

With 32 cores, the most that a spec may have, and a reg-slave: release 1.9.2 has 266 workloads with
517 files, 987 objects of 2.1 MB of JSON, and its configuration takes 42 KB. The archive of release
1.6.12, the largest one, has 331 workloads with 744 files, and 1,467 objects of 2.8 MB.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from pydantic_core import to_json

from pryv_operator.api.findings import Problem
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.reasons import Reason
from pryv_operator.objects.model import Component

#: Services times instances: each is a workload with a Service, a NetworkPolicy and PVCs.
WORKLOAD_LIMIT: Final = 1500
#: Bytes of all ConfigMaps and Secrets together; those of a service are counted once per role.
CONFIGURATION_LIMIT: Final = 4 * 1024 * 1024
#: The message if only the secrets in the files exceed it.
HIDDEN_MESSAGE: Final = (
    "templates: the files that services mount (counted for each service) are together too large "
    "with their secrets; shorten the Secrets that go into them"
)
#: Files of all workloads together: each is an entry of a pod template.
FILE_LIMIT: Final = 20_000
#: Bytes of JSON of all objects but Secrets: the operator's own process holds and compares them.
OBJECTS_LIMIT: Final = 6 * 1024 * 1024


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
    counted = tuple(components)
    count = sum(len(each.files) for each in counted)
    if count > FILE_LIMIT:
        return (
            Problem(
                Reason.LIMIT_EXCEEDED,
                f"templates: {count:,} files in the folders that services mount (counted for "
                f"each service of each instance), and a platform may have {FILE_LIMIT:,}; "
                "mount smaller folders",
            ),
        )
    stored = {(each.instance.role, each.service.name, each.files): each.files for each in counted}
    files = [file for each in stored.values() for file in each]
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


def check_objects(objects: Iterable[Object]) -> tuple[Problem, ...]:
    """The problem of objects that are too large together.

    Secrets are limited as configuration. Their size must not change what is told of others.
    """
    counted = [item for item in objects if item["kind"] != "Secret"]
    if sum(map(_most_characters, counted)) <= OBJECTS_LIMIT:
        return ()
    left = OBJECTS_LIMIT
    for item in counted:
        left -= len(json.dumps(item))
        if left < 0:
            return (
                Problem(
                    Reason.LIMIT_EXCEEDED,
                    f"the objects of the platform exceed {OBJECTS_LIMIT // 1024 // 1024} MiB of "
                    "JSON together; use fewer instances and services, mount smaller folders, or "
                    "shorten environment variables and other fields of components",
                ),
            )
    return ()


def _most_characters(item: Object) -> int:
    """What ``len(json.dumps(item))`` is at most, in a fifth of its time.

    That is without spaces and in UTF-8: of the other, no byte becomes more than three characters,
    but the control character 127, which becomes six.
    """
    encoded = to_json(item)
    return 3 * (len(encoded) + encoded.count(b"\x7f"))
