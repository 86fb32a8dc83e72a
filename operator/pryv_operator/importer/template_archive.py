"""The leader's templates as an archive for the cluster, without the secrets filled in there."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from typing import Final, Literal

from pryv_operator.api import secret_variables
from pryv_operator.importer.notes import ImportRefusedError
from pryv_operator.importer.shipped_releases import files_of_follower
from pryv_operator.leader.json_value import Json
from pryv_operator.objects import manifest
from pryv_operator.templates.bundle import UNSET, Unset
from pryv_operator.templates.leader_conf import PLATFORM_TEMPLATE, SETTINGS_TEMPLATE
from pryv_operator.templates.leader_folder import DATA, Leader

#: Maximum size of the archive (bytes): the 1 MiB of a ConfigMap's or Secret's data, less 4 KiB for
#: the other fields of the object.
SIZE_LIMIT: Final = 1024 * 1024 - 4096

_TOP: Final = "config-leader"

Defaults = Mapping[str, Json | Literal[Unset.UNSET]]


def pack_templates(
    leader: Leader, roles: Mapping[str, Mapping[str, bytes]], defaults: Defaults
) -> bytes:
    """A ``.tgz`` of a leader's folder that holds templates and defaults, but no values.

    The same arguments give the same bytes.

    Args:
        leader: the leader whose variables and generation count.
        roles: role → path → content; only the files that a follower keeps are packed.
        defaults: variable → default; ``UNSET`` marks it as one to fill in or to generate.

    Raises:
        ImportRefusedError: the archive is larger than ``SIZE_LIMIT``.
    """
    files = {
        f"{DATA}/{role}/{path}": content
        for role, found in roles.items()
        for path, content in files_of_follower(found).items()
    }
    files |= (
        _conf_2019(leader, defaults) if leader.generation == "2019" else _conf(leader, defaults)
    )
    archive = _tgz(files)
    if len(archive) > SIZE_LIMIT:
        raise ImportRefusedError(
            f"{DATA}/: the packed templates have {len(archive) // 1024} KiB, and a ConfigMap or "
            f"Secret holds {SIZE_LIMIT // 1024} KiB; remove files that are not templates"
        )
    return archive


def _tgz(files: Mapping[str, bytes]) -> bytes:
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
    return packed.getvalue()


def _conf(leader: Leader, defaults: Defaults) -> dict[str, bytes]:
    """``conf/`` as since 1.6: ``REPLACE_ME`` marks what is to be filled in."""
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


def _conf_2019(leader: Leader, defaults: Defaults) -> dict[str, bytes]:
    """``conf/`` as in 2019.

    A variable to be filled in held its own name, one to be generated ``"SECRET"``.
    """
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
