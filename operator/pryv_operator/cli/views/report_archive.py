"""The archive of a report. Pure."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import yaml

README: Final = "README.txt"

_TEXT: Final = """\
Report about PryvPlatform {name} in namespace {namespace}
Created {time} by kubectl-pryv {version}

What is in it
  platform.yaml        the resource; values of its variables only where they are harmless
  status.txt, .json    as "kubectl pryv status" prints it
  check.txt, .json     rows of "kubectl pryv check": cluster, platform and storage
  events.txt, .json    events of the platform, and of what belongs to it
  objects/             workloads, pods, PVCs, Services, NetworkPolicies, PodDisruptionBudgets
  names/               names of ConfigMaps and Secrets; nothing of what they hold
  references.yaml      Secrets and ConfigMaps that the resource names, and whether they exist
  revisions.yaml       the history: numbers, states and masked specs
  operator/            Deployment, pods and logs of the operator
  versions.yaml        the plugin, the operator, Kubernetes and the CRD
  nodes.yaml           versions, architecture and capacity of the nodes
  logs/                logs of components, only if they were asked for

What is never in it
  Data of Secrets and ConfigMaps. The command reads the certificates, to say when they expire, and
  the platform's own templates, to check them; it writes none of them.
  Values of environment variables, arguments of commands, values of annotations that are not the
  operator's own, values of secret variables. Each stands as "(masked)".
  Fields that this version does not know: they stand as "unknown-1" or "masked-1".

What is in it, and may be confidential to you
  Names of objects, variables and nodes, your domain, addresses of services, images.
  Messages of Kubernetes, and lines of logs. What looks like a credential in them is masked.
  Review the files before you share them.

{missing}"""


def members(
    documents: Mapping[str, Any], texts: Mapping[str, str], missing: Sequence[str], about: Any
) -> dict[str, str]:
    """Path in the report → content.

    Args:
        documents: path → value, which is written as JSON or YAML, as the path ends.
        texts: path → text.
        missing: what could not be read, and why.
        about: values for the text of the README: name, namespace, time, version.
    """
    lines = "".join(f"  {each}\n" for each in missing)
    found = {
        README: _TEXT.format(
            missing=f"What is missing\n{lines}" if missing else "Everything could be read.\n",
            **about,
        )
    }
    for path, value in documents.items():
        found[path] = _json(value) if path.endswith(".json") else _yaml(value)
    return found | dict(texts)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _yaml(value: Any) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
    return text


def archive(folder: str, files: Mapping[str, str], time: datetime) -> bytes:
    """A tar.gz with one folder: README first, the others by path. Only the owner may read them."""
    seconds = int(time.timestamp())
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=seconds) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(files, key=lambda each: (each != README, each)):
            content = files[path].encode("utf-8", "replace")
            member = tarfile.TarInfo(f"{folder}/{path}")
            member.size, member.mode, member.mtime = len(content), 0o600, seconds
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()
