"""Reads a platform's templates: a built-in release, or what its ConfigMaps and Secrets hold."""

from __future__ import annotations

import base64
import binascii
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from pryv_operator.api.findings import Advisory, Problem
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.reasons import Reason
from pryv_operator.api.spec import Archive, Templates
from pryv_operator.kube.client import KubeClient
from pryv_operator.reconcile.computation import Computation
from pryv_operator.reconcile.other_platforms import read_other_platforms
from pryv_operator.reconcile.reference_checks import check_secret
from pryv_operator.reconcile.referenced_objects import read_referenced
from pryv_operator.templates import builtin
from pryv_operator.templates.builtin import UnknownReleaseError, load_release
from pryv_operator.templates.bundle import Bundle
from pryv_operator.templates.user_templates import (
    ObjectReference,
    read_archive,
    read_files,
    referenced_objects,
    uses_builtin_release,
)

#: Archives that are cached, so that a reconciliation does not unpack them again.
_CACHED: Final = 8
#: Bytes of all cached files together; one archive unpacks to a few hundred KiB.
_CACHED_BYTES: Final = 4 * 1024 * 1024
_ARCHIVE: Final = "spec.templates.archive.secretKeyRef"


class TemplateReader:
    """Reads templates; caches the last few archives by the version of the object with them."""

    def __init__(self, computation: Computation) -> None:
        """Starts with an empty cache."""
        self._computation = computation
        self._archives: OrderedDict[tuple[str, str, str], Bundle | Problem] = OrderedDict()

    async def read(
        self, client: KubeClient, platform: Platform, running: str | None = None
    ) -> Bundle | Problem:
        """The templates a platform uses, or what is wrong with them.

        ``running``: the release in its status, which an omitted ``spec.release`` stands for.
        """
        spec = platform.spec
        if spec.templates is None:
            return read_release(spec.release or running)
        objects = await read_referenced(
            client, platform.namespace, referenced_objects(spec.templates)
        )
        secrets = [item for (kind, _), item in objects.items() if kind == "Secret"]
        others = await read_other_platforms(client, platform, secrets)
        for secret in secrets:
            if refused := check_secret(_ARCHIVE, secret, others):
                return refused
        base: Bundle | Problem | None = None
        if spec.templates.archive:
            base = await self._read_archive(platform, spec.templates.archive, objects)
        elif uses_builtin_release(spec):
            base = read_release(spec.release or running)
        if isinstance(base, Problem):
            return base
        if spec.templates.files is None and base is not None:
            return base
        contents = {name: _content(item) for name, item in objects.items()}
        files = spec.templates.files or ()
        return await self._computation.run(platform, read_files, files, base, contents)

    async def _read_archive(
        self, platform: Platform, archive: Archive, objects: Mapping[ObjectReference, Object]
    ) -> Bundle | Problem:
        name = next(iter(referenced_objects(Templates(archive=archive))), None)
        if name is None or name not in objects:
            return read_archive(archive, {})
        cache_key = (*_version(objects[name]), archive.model_dump_json())
        contents = {name: _content(objects[name])}
        found = self._archives.get(cache_key)
        if found is None:
            found = await self._computation.run(platform, read_archive, archive, contents)
        self._cache(cache_key, found)
        return found

    def _cache(self, cache_key: tuple[str, str, str], found: Bundle | Problem) -> None:
        """Keep the last few; the content of Secrets is never cached."""
        if isinstance(found, Bundle) and (found.secret or _size(found) > _CACHED_BYTES):
            return
        self._archives[cache_key] = found
        self._archives.move_to_end(cache_key)
        while (
            len(self._archives) > _CACHED
            or sum(map(_size, self._archives.values())) > _CACHED_BYTES
        ):
            self._archives.popitem(last=False)


def read_release(version: str | None) -> Bundle | Problem:
    """A built-in release (None: the newest), or that it is not built in any more."""
    try:
        return load_release(version)
    except UnknownReleaseError as error:
        return Problem(
            Reason.INVALID_SPEC,
            f"spec.release: {error}; set it to a built-in release",
        )


def newer_release(platform: Platform, bundle: Bundle) -> tuple[Advisory, ...]:
    """A warning when a newer built-in release exists and ``spec.release`` is omitted."""
    spec, newest = platform.spec, builtin.RELEASES[0]
    if spec.release or not uses_builtin_release(spec) or bundle.version == newest:
        return ()
    text = (
        f'spec.release: omitted, so the platform stays at "{bundle.version}" of its first install; '
        f'back up the data and set spec.release to "{newest}" to upgrade'
    )
    return (Advisory(Reason.RELEASE_AVAILABLE, text),)


def _version(item: Object) -> tuple[str, str]:
    return item["metadata"]["uid"], item["metadata"]["resourceVersion"]


def _content(item: Object) -> dict[str, bytes]:
    """Key → content of a ConfigMap or Secret; a key whose base64 is malformed is absent."""
    data: Mapping[str, str] = item.get("data") or {}
    if item["kind"] == "Secret":
        return _decoded(data)
    return {key: text.encode() for key, text in data.items()} | _decoded(
        item.get("binaryData") or {}
    )


def _decoded(encoded: Mapping[str, str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for key, text in encoded.items():
        try:
            found[key] = base64.b64decode(text)
        except binascii.Error:
            continue
    return found


def _size(found: Bundle | Problem) -> int:
    """Bytes of all files."""
    if isinstance(found, Problem):
        return 0
    return sum(len(content) for files in found.roles.values() for content in files.values())
