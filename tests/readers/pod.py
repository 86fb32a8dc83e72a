"""What a container finds when its pod starts: files of its mounts, and hosts that it resolves."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object
from pryv_operator.desired.state import Desired


@dataclass(frozen=True)
class Pod:
    """The pod of a workload, with the files of its first container."""

    instance: str
    role: str
    component: str
    image: str
    #: Absolute path → content.
    files: Mapping[str, bytes]
    #: Host name → the Service that answers there, or the address if no Service has it.
    hosts: Mapping[str, str]

    def text(self, path: str) -> str:
        """The text of a file."""
        return self.files[path].decode()

    def write(self, folder: Path) -> None:
        """Write all files below a folder, as below the root of the container."""
        for path, content in self.files.items():
            file = folder / path.removeprefix("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)


def pods_of(desired: Desired, cluster_ips: Mapping[str, str]) -> tuple[Pod, ...]:
    """One pod of each workload; `cluster_ips` maps Services to addresses."""
    services = {address: name for name, address in cluster_ips.items()}
    return tuple(
        _pod(item, desired, services) for item in desired.objects if item["kind"] in WORKLOAD_KINDS
    )


def _pod(workload: Object, desired: Desired, services: Mapping[str, str]) -> Pod:
    template = workload["spec"]["template"]
    labels = template["metadata"]["labels"]
    container = template["spec"]["containers"][0]
    files = dict(_files(container, template["spec"], desired))
    return Pod(
        instance=labels[keys.INSTANCE],
        role=labels[keys.ROLE],
        component=labels[keys.COMPONENT],
        image=container["image"],
        files=files,
        hosts=_hosts(template["spec"], files, services),
    )


def _files(container: Object, spec: Object, desired: Desired) -> Iterator[tuple[str, bytes]]:
    """The files that come from ConfigMaps and Secrets: absolute path and content."""
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    for mount in container.get("volumeMounts", ()):
        target = PurePosixPath(mount["mountPath"])
        for path, content in _volume_files(volumes[mount["name"]], desired):
            if "subPath" not in mount:
                yield str(target / path), content
            elif path == mount["subPath"]:
                yield str(target), content


def _volume_files(volume: Object, desired: Desired) -> Iterator[tuple[str, bytes]]:
    sources = volume.get("projected", {}).get("sources", [])
    for kind in ("configMap", "secret"):
        sources = [*sources, *([{kind: volume[kind]}] if kind in volume else [])]
    for source in sources:
        ((kind, reference),) = source.items()
        name = reference.get("name") or reference["secretName"]
        data = _data(desired, "ConfigMap" if kind == "configMap" else "Secret", name)
        items = reference.get("items") or [{"key": key, "path": key} for key in data]
        for item in items:
            yield item["path"], data[item["key"]]


def _data(desired: Desired, kind: str, name: str) -> dict[str, bytes]:
    """The data of a ConfigMap or Secret."""
    found = next(
        item
        for item in desired.objects
        if item["kind"] == kind and item["metadata"]["name"] == name
    )
    if kind == "ConfigMap":
        return {key: text.encode() for key, text in found["data"].items()}
    return {key: base64.b64decode(text) for key, text in found["data"].items()}


def _hosts(spec: Object, files: Mapping[str, bytes], services: Mapping[str, str]) -> dict[str, str]:
    aliases = [(alias["ip"], alias["hostnames"]) for alias in spec.get("hostAliases", ())]
    for line in files.get("/etc/hosts", b"").decode().splitlines():
        address, *hosts = line.split()
        aliases.append((address, hosts))
    return {host: services.get(address, address) for address, hosts in aliases for host in hosts}
