"""How the programs that read rendered files understand them."""

from __future__ import annotations

import re
from typing import Final

#: Since this release hfs reads ``metadata.hjson`` with @pryv/boiler, whose nconf takes strict
#: JSON; before, with the package hjson (tags 1.6.12 and 1.6.13 of service-core,
#: ``components/metadata/src``).
_STRICT_JSON_SINCE: Final = (1, 6, 13)
_RELEASE: Final = re.compile(r":v?([0-9]{1,4})\.([0-9]{1,4})\.([0-9]{1,4})(?![0-9.])[^:/]*$")


def reads_hjson(image: str) -> bool:
    """Whether the services of an image read Hjson; False if its tag is not a release."""
    found = _RELEASE.search(image.partition("@")[0])
    return found is not None and tuple(map(int, found.groups())) < _STRICT_JSON_SINCE


def is_read_only_replica(text: str) -> bool:
    """Whether a redis.conf makes redis a replica that refuses writes.

    As redis reads it: names in any case, the last line of a name counts, ``slave`` is the former
    name of ``replica``, and a replica refuses writes unless told otherwise (``config.c``).
    """
    settings: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, *values = line.lower().split() or [""]
        if not name.startswith("#"):
            settings[name.replace("slave", "replica")] = [value.strip("\"'") for value in values]
    return settings.get("replicaof", ["no", "one"]) != ["no", "one"] and settings.get(
        "replica-read-only"
    ) != ["no"]
