"""The templates of a leader as an archive of their own, without anything that a person filled in as a secret."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from typing import Final, Literal

from pryv_operator.api import secret_variables
from pryv_operator.importer.report import ImportRefusedError
from pryv_operator.importer.shipped import kept_files
from pryv_operator.leader.json_value import Json
from pryv_operator.objects import manifest
from pryv_operator.templates.bundle import UNSET, Unset
from pryv_operator.templates.leader_folder import DATA, PLATFORM_TEMPLATE, SETTINGS_TEMPLATE, Leader

#: What the data of one ConfigMap or Secret may be together (bytes); a little is left for the rest of the object.
SIZE_LIMIT: Final = 1024 * 1024 - 4096

_TOP: Final = "config-leader"


def pack(
    leader: Leader,
    roles: Mapping[str, Mapping[str, bytes]],
    defaults: Mapping[str, Json | Literal[Unset.UNSET]],
) -> bytes:
    """A ``.tgz`` of the leader's folder: the files that a follower keeps, and the variables with their defaults.

    The same input gives the same bytes.

    Raises:
        ImportRefusedError: it is larger than a ConfigMap may be.
    """
    files = {
        f"{DATA}/{role}/{path}": content
        for role, found in roles.items()
        for path, content in kept_files(found).items()
    }
    files |= (
        _conf_2019(leader, defaults) if leader.generation == "2019" else _conf(leader, defaults)
    )
    packed = io.BytesIO()
    with (
        gzip.GzipFile(
            filename="", fileobj=packed, mode="wb", compresslevel=9, mtime=0
        ) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(files):
            member = tarfile.TarInfo(f"{_TOP}/{path}")
            member.size = len(files[path])
            tar.addfile(member, io.BytesIO(files[path]))
    archive = packed.getvalue()
    if len(archive) > SIZE_LIMIT:
        raise ImportRefusedError(
            f"the templates are {len(archive) // 1024} KiB when packed; a ConfigMap or Secret holds {SIZE_LIMIT // 1024} KiB: "
            "take out of data/ what is no template"
        )
    return archive


def _conf(leader: Leader, defaults: Mapping[str, Json | Literal[Unset.UNSET]]) -> dict[str, bytes]:
    internals = {
        name: secret_variables.REPLACE_ME
        for name in defaults
        if name in leader.internals or name not in leader.order
    }
    settings = {
        name: _setting(
            secret_variables.REPLACE_ME if value is UNSET else value,
            leader.bundle.variables[name].description,
        )
        for name, value in defaults.items()
        if name not in internals
    }
    document = {"vars": {"VARIABLES": {"settings": settings}}}
    return {
        PLATFORM_TEMPLATE: manifest.dump([document]).encode(),
        SETTINGS_TEMPLATE: _json({"internals": internals}),
    }


def _conf_2019(
    leader: Leader, defaults: Mapping[str, Json | Literal[Unset.UNSET]]
) -> dict[str, bytes]:
    """In 2019 a variable that waited to be filled in held its own name, one that was to be generated ``"SECRET"``."""
    platform = {
        name: (secret_variables.GENERATE if leader.bundle.variables[name].secret else name)
        if value is UNSET
        else value
        for name, value in defaults.items()
    }
    return {SETTINGS_TEMPLATE: _json({"platform": platform})}


def _setting(value: Json, description: str) -> dict[str, Json]:
    return {"value": value, "description": description} if description else {"value": value}


def _json(document: Mapping[str, Json]) -> bytes:
    return (json.dumps(document, indent=2) + "\n").encode()
