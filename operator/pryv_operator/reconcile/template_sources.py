"""A platform's templates: a built-in release, a received archive, or files of the user's, read from ConfigMaps and Secrets."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from pryv_operator.api.findings import Problem
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.reasons import Reason
from pryv_operator.api.spec import Archive, TemplateFiles
from pryv_operator.desired.state import built_in
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.resources import CONFIG_MAPS, SECRETS
from pryv_operator.leader.listing import kept
from pryv_operator.templates.archive import ArchiveError, leader_of
from pryv_operator.templates.builtin import RELEASES, load_release
from pryv_operator.templates.bundle import Bundle
from pryv_operator.templates.leader_folder import LeaderError

#: Archives that have been read, so that a pass does not read them anew; an unpacked one has a few hundred KiB.
_KEPT: Final = 8
#: Bytes of all their files.
_KEPT_BYTES: Final = 4 * 1024 * 1024


class Templates:
    """Loads templates; remembers the last few archives by what the API server says of their object."""

    def __init__(self, client: KubeClient) -> None:
        """Nothing is read yet."""
        self._client = client
        self._archives: OrderedDict[tuple[str, str, str], Bundle | Problem] = OrderedDict()
        #: One is read at a time: each may take some tens of MiB.
        self._reading = asyncio.Lock()

    async def load(self, platform: Platform) -> Bundle | Problem:
        """The templates a platform uses, or what is wrong with them."""
        wanted = platform.spec.templates
        if wanted is None:
            return built_in(platform)
        if wanted.archive:
            return await self._archive(platform, wanted.archive)
        return await self._files(platform, wanted.files or [])

    async def _archive(self, platform: Platform, wanted: Archive) -> Bundle | Problem:
        reference = wanted.config_map_key_ref or wanted.secret_key_ref
        resource = CONFIG_MAPS if wanted.config_map_key_ref else SECRETS
        if reference is None:
            return Problem(
                Reason.INVALID_TEMPLATES,
                "spec.templates.archive names neither a ConfigMap nor a Secret",
            )
        item = await self._client.get(resource, platform.namespace, reference.name)
        what = f"{resource.kind} {reference.name}"
        if item is None:
            return Problem(
                Reason.TEMPLATES_NOT_FOUND,
                f"spec.templates.archive: there is no {what} in this namespace: create it",
            )
        content = _bytes(item, reference.key)
        if content is None:
            there = (
                ", ".join(sorted({*(item.get("data") or {}), *(item.get("binaryData") or {})}))
                or "no key at all"
            )
            return Problem(
                Reason.TEMPLATES_NOT_FOUND,
                f"spec.templates.archive: {what} has no key {reference.key}; it has {there}",
            )
        identity = (item["metadata"]["uid"], item["metadata"]["resourceVersion"], reference.key)
        del item
        async with self._reading:
            found = self._archives.get(identity)
            if found is None:
                # Elsewhere, as a hostile one may take seconds, and the other platforms go on.
                found = await asyncio.to_thread(
                    _read, content, f"key {reference.key} of {what}", secret=resource is SECRETS
                )
            self._remember(identity, found)
        return found

    def _remember(self, identity: tuple[str, str, str], found: Bundle | Problem) -> None:
        """Keep the last few; what is in Secrets is not kept."""
        if isinstance(found, Bundle) and (found.secret or _size(found) > _KEPT_BYTES):
            return
        self._archives[identity] = found
        self._archives.move_to_end(identity)
        while len(self._archives) > _KEPT or sum(map(_size, self._archives.values())) > _KEPT_BYTES:
            self._archives.popitem(last=False)

    async def _files(self, platform: Platform, wanted: list[TemplateFiles]) -> Bundle | Problem:
        roles: dict[str, dict[str, bytes]] = {}
        for source in wanted:
            name = source.config_map_ref.name
            item = await self._client.get(CONFIG_MAPS, platform.namespace, name)
            if item is None:
                return Problem(
                    Reason.TEMPLATES_NOT_FOUND,
                    f"spec.templates.files: there is no ConfigMap {name} in this namespace: create it",
                )
            for entry in source.items:
                content = _bytes(item, entry.key)
                if content is None:
                    return Problem(
                        Reason.TEMPLATES_NOT_FOUND,
                        f"spec.templates.files: ConfigMap {name} has no key {entry.key} ({entry.path})",
                    )
                if entry.path in roles.setdefault(source.role, {}):
                    return Problem(
                        Reason.INVALID_TEMPLATES,
                        f"spec.templates.files: {source.role}/{entry.path} is given twice",
                    )
                roles[source.role][entry.path] = content
        newest = load_release(RELEASES[0])
        return Bundle("own files", newest.version, roles, variables=newest.variables)


def _bytes(item: Object, key: str) -> bytes | None:
    """The content of a key, as bytes."""
    data: Mapping[str, str] = item.get("data") or {}
    binary: Mapping[str, str] = item.get("binaryData") or {}
    try:
        if key in binary:
            return base64.b64decode(binary[key])
        if key in data:
            return base64.b64decode(data[key]) if item["kind"] == "Secret" else data[key].encode()
    except binascii.Error:
        return None
    return None


def _size(found: Bundle | Problem) -> int:
    return (
        sum(len(content) for files in found.roles.values() for content in files.values())
        if isinstance(found, Bundle)
        else 0
    )


def _read(content: bytes, where: str, *, secret: bool) -> Bundle | Problem:
    """The templates in an archive, without what no follower would keep."""
    try:
        bundle = leader_of(content).bundle
        roles = {
            role: {path: files[path] for path in kept(files)}
            for role, files in bundle.roles.items()
        }
        return replace(bundle, roles=roles, secret=secret)
    except ArchiveError as error:
        return Problem(error.reason, f"{where}: {error}")
    except LeaderError as error:
        return Problem(Reason.INVALID_TEMPLATES, f"{where}: {error}")
