"""Reads what ``kubectl-pryv report`` holds, with the user's credentials, and writes it."""

from __future__ import annotations

import datetime as dt
import os
import re
import tempfile
from collections.abc import Awaitable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pryv_operator import __version__
from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.cli import check
from pryv_operator.cli.cluster import Cluster, ClusterError
from pryv_operator.cli.events import read_events
from pryv_operator.cli.output import View, formatted, plain
from pryv_operator.cli.output_folder import OutputError
from pryv_operator.cli.platform_history import list_recorded
from pryv_operator.cli.shared_options import Format
from pryv_operator.cli.status import read_status, revision_of
from pryv_operator.cli.views import report_rules as rules
from pryv_operator.cli.views.redaction import Redactor, Rule
from pryv_operator.cli.views.report_archive import archive, members
from pryv_operator.kube.client import METADATA, METADATA_LIST
from pryv_operator.kube.errors import ApiError, NotFoundError, RejectedError
from pryv_operator.kube.resources import (
    CONFIG_MAPS,
    CUSTOM_RESOURCES,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    NETWORK_POLICIES,
    NODES,
    PODS,
    PVCS,
    SECRETS,
    SERVICES,
    STATEFUL_SETS,
    Resource,
)
from pryv_operator.templates.builtin import load_release

_LINES: Final = 2000
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_OPERATOR: Final = f"{keys.APP_NAME}=pryv-operator"
_OBJECTS: Final = (
    DEPLOYMENTS,
    STATEFUL_SETS,
    PODS,
    PVCS,
    SERVICES,
    NETWORK_POLICIES,
    DISRUPTION_BUDGETS,
)
#: Those that need neither the network outside of the cluster nor data of Secrets.
_SECTIONS: Final = ("cluster", "platform", "storage")


@dataclass(frozen=True)
class Report:
    """A report. ``missing``: what could not be read, and why."""

    platform: str
    time: dt.datetime
    files: Mapping[str, str]
    missing: tuple[str, ...]


async def read_report(cluster: Cluster, name: str, *, logs: bool) -> Report:
    """Read and redact everything that the user may read.

    Raises:
        ClusterError: the platform does not exist.
    """
    reader = _Reader(cluster, name)
    await reader.read(logs=logs)
    return reader.report(dt.datetime.now(dt.UTC))


def write(report: Report, output: Path | None) -> Path:
    """Write a report to a file that only its owner may read; return the path.

    Raises:
        OutputError: it cannot be written.
    """
    stem = f"pryv-report-{report.platform}"
    path = output or Path(f"{stem}-{report.time:%Y%m%dT%H%M%SZ}.tgz")
    content = archive(stem, report.files, report.time)
    try:
        if path.is_dir():
            raise OutputError(f"{path}: is a folder; pass the name of a file")
        # It replaces the file as a whole, and never writes through a symbolic link.
        descriptor, temporary = tempfile.mkstemp(prefix=".pryv-report-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}") from None
    return path


class _Reader:
    """Collects the parts of a report: first those that have fields, then free texts."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster = cluster
        self._client = cluster.client
        self._namespace = cluster.namespace
        self._name = name
        self._labels = ",".join(f"{k}={v}" for k, v in names.platform_labels(name).items())
        bundle = load_release()
        aliases = (alias for each in bundle.variables.values() for alias in each.aliases)
        self._redactor = Redactor({*bundle.variables, *aliases})
        self._documents: dict[str, Any] = {}
        self._views: dict[str, View] = {}
        self._logs: dict[str, str] = {}
        self._missing: list[str] = []

    async def read(self, *, logs: bool) -> None:
        """Read all parts."""
        await self._platform()
        pods: list[Object] = []
        for resource in _OBJECTS:
            listed = await self._objects(resource)
            if resource is PODS:
                pods = listed
        for resource in (CONFIG_MAPS, SECRETS):
            await self._part(f"names of {resource.plural}", self._names(resource))
        await self._part("revisions", self._revisions())
        await self._operator()
        await self._part("versions", self._versions())
        await self._part("nodes", self._nodes())
        await self._view("status", read_status(self._cluster, self._name))
        await self._view("events", read_events(self._cluster, self._name, None))
        await self._view("check", self._check())
        if logs:
            for pod in pods:
                await self._pod_logs(pod, "logs")

    def report(self, time: dt.datetime) -> Report:
        """The report, after all free texts were masked."""
        redactor = self._redactor
        documents = {path: redactor.texts(each) for path, each in self._documents.items()}
        texts = {path: redactor.text(each) for path, each in self._logs.items()}
        for name, view in self._views.items():
            texts[f"{name}.txt"] = redactor.text(_without_colour(formatted(view, Format.WIDE)))
            documents[f"{name}.json"] = _masked_strings(redactor, plain(view))
        about = {
            "name": self._name,
            "namespace": self._namespace,
            "time": f"{time:%Y-%m-%dT%H:%M:%SZ}",
            "version": __version__,
        }
        missing = tuple(self._missing)
        return Report(self._name, time, members(documents, texts, missing, about), missing)

    async def _part(self, what: str, request: Awaitable[None]) -> None:
        """Wait for a part. One that cannot be read is missing, and the others are read."""
        try:
            await request
        except ClusterError:
            self._missing.append(f"{what}: cannot be read")
        except ApiError as error:
            if error.status == _UNAUTHORIZED:
                raise
            self._missing.append(f"{what}: {_why(error)}")
        except Exception as error:  # noqa: BLE001 - what is broken is what the report is about
            self._missing.append(f"{what}: {type(error).__name__}")

    def _redact(self, item: Object, rule: Rule) -> Any:
        """An object by its rule; managed fields repeat what it has."""
        metadata = {k: v for k, v in item["metadata"].items() if k != "managedFields"}
        annotations = metadata.get("annotations")
        if annotations:
            metadata["annotations"] = {
                key: each
                for key, each in annotations.items()
                if key != "kubectl.kubernetes.io/last-applied-configuration"
            }
        return self._redactor.redact({**item, "metadata": metadata}, rule)

    async def _platform(self) -> None:
        try:
            resource = await self._cluster.read_platform(self._name)
        except RejectedError as error:
            if error.status != _FORBIDDEN:
                raise
            self._missing.append(f"platform: {_why(error)}")
            return
        self._documents["platform.yaml"] = self._redact(resource, rules.PLATFORM)
        await self._part("references", self._references(resource.get("spec") or {}))

    async def _references(self, spec: Object) -> None:
        found = []
        for resource, name in sorted(
            set(_referenced(spec)), key=lambda each: (each[0].kind, each[1])
        ):
            item = await self._client.get(resource, self._namespace, name, accept=METADATA)
            found.append({"kind": resource.kind, "name": name, "exists": item is not None})
        self._documents["references.yaml"] = found

    async def _objects(self, resource: Resource) -> list[Object]:
        listed: list[Object] = []

        async def read() -> None:
            listed.extend(await self._client.list(resource, self._namespace, labels=self._labels))
            listed.sort(key=_name_of)
            self._documents[f"objects/{resource.plural}.yaml"] = [
                self._redact(each, rules.BY_KIND[resource.kind]) for each in listed
            ]

        await self._part(resource.plural, read())
        return listed

    async def _names(self, resource: Resource) -> None:
        listed = await self._client.list_reduced(
            resource,
            self._namespace,
            lambda item: item,
            labels=self._labels,
            accept=METADATA_LIST,
        )
        self._documents[f"names/{resource.plural}.yaml"] = [
            self._redact(each, rules.METADATA_ONLY) for each in sorted(listed, key=_name_of)
        ]

    async def _revisions(self) -> None:
        recorded = await list_recorded(self._client, self._namespace, self._name)
        self._documents["revisions.yaml"] = [
            {
                "number": each.number,
                "name": each.revision.item["metadata"]["name"],
                "state": revision_of(each.revision.item).state,
                "spec": self._redactor.redact(dict(each.spec), rules.SPEC),
            }
            for each in recorded
        ]

    async def _operator(self) -> None:
        pods: list[Object] = []

        async def read(resource: Resource) -> None:
            listed = await self._client.list(resource, None, labels=_OPERATOR)
            listed.sort(key=lambda each: (each["metadata"]["namespace"], _name_of(each)))
            self._documents[f"operator/{resource.plural}.yaml"] = [
                self._redact(each, rules.BY_KIND[resource.kind]) for each in listed
            ]
            if resource is PODS:
                pods.extend(listed)

        for resource in (DEPLOYMENTS, PODS):
            await self._part(f"{resource.plural} of the operator", read(resource))
        for pod in pods:
            await self._pod_logs(pod, "operator/logs")

    async def _pod_logs(self, pod: Object, folder: str) -> None:
        metadata = pod["metadata"]
        for container in (each["name"] for each in pod["spec"].get("containers") or ()):

            async def read(container: str = container) -> None:
                query = {"container": container, "tailLines": _LINES}
                found = self._client.pod_log(metadata["namespace"], metadata["name"], query)
                path = f"{folder}/{metadata['name']}/{container}.log"
                async for line in found:
                    text = line.decode("utf-8", "replace")
                    self._logs[path] = f"{self._logs.get(path, '')}{text}\n"

            await self._part(f"log of {metadata['name']}/{container}", read())

    async def _versions(self) -> None:
        operators = [
            container.get("image")
            for each in self._documents.get("operator/deployments.yaml") or ()
            for container in each["spec"]["template"]["spec"]["containers"]
        ]
        versions: dict[str, Any] = {
            "plugin": __version__,
            "operatorImages": operators,
            "kubernetes": _only(await self._client.read_version(), rules.VERSION),
        }
        self._documents["versions.yaml"] = versions
        crd = await self._client.get(CUSTOM_RESOURCES, "", f"{keys.PLURAL}.{keys.GROUP}")
        if crd:
            versions["crd"] = _only(crd, rules.CRD)

    async def _nodes(self) -> None:
        listed = await self._client.list(NODES, None)
        self._documents["nodes.yaml"] = [
            self._redactor.redact(_only(each, rules.NODE), rules.NODE)
            for each in sorted(listed, key=_name_of)
        ]

    async def _view(self, what: str, request: Awaitable[View]) -> None:
        async def read() -> None:
            self._views[what] = await request

        await self._part(what, read())

    async def _check(self) -> View:
        options = check.Options(None, (), None, _SECTIONS, None, 5.0)
        return await check.check_platform(self._cluster, self._name, options)


def _only(item: Any, rule: Any) -> Any:
    """The item without the fields that a rule does not name."""
    if isinstance(item, Mapping) and isinstance(rule, Mapping):
        return {key: _only(item[key], rule[key]) for key in rule if key in item}
    nested = getattr(rule, "rule", None)
    if isinstance(item, list) and isinstance(nested, Mapping):
        return [_only(each, nested) for each in item]
    return item


def _why(error: ApiError) -> str:
    if error.status == _FORBIDDEN:
        return "you may not read it"
    return "unknown to this cluster" if isinstance(error, NotFoundError) else error.reason


def _name_of(item: Object) -> str:
    return str(item["metadata"]["name"])


def _referenced(value: Any) -> Iterator[tuple[Resource, str]]:
    """The Secrets and ConfigMaps that a spec names. Variables are the user's, and name none."""
    kinds = {
        "secretKeyRef": SECRETS,
        "configMapKeyRef": CONFIG_MAPS,
        "configMapRef": CONFIG_MAPS,
    }
    if isinstance(value, Mapping):
        for key, each in value.items():
            if key in kinds and isinstance(each, Mapping) and isinstance(each.get("name"), str):
                yield kinds[key], each["name"]
            elif key == "secretName" and isinstance(each, str):
                yield SECRETS, each
            elif key == "imagePullSecrets":
                yield from ((SECRETS, one["name"]) for one in each or ())
            elif key != "variables":
                yield from _referenced(each)
    elif isinstance(value, list):
        for each in value:
            yield from _referenced(each)


def _without_colour(text: str) -> str:
    return re.sub("\033\\[[0-9;]*m", "", text)


def _masked_strings(redactor: Redactor, value: Any) -> Any:
    """A view's document, each of whose strings may be free text."""
    if isinstance(value, str):
        return redactor.text(value)
    if isinstance(value, Mapping):
        return {key: _masked_strings(redactor, each) for key, each in value.items()}
    return [_masked_strings(redactor, each) for each in value] if isinstance(value, list) else value
