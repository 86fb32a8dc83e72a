"""The YAML files that an import writes, as text."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.importer.certificate_files import ExtractedCertificates
from pryv_operator.objects import manifest

PLATFORM: Final = "platform.yaml"
SECRETS: Final = "secrets.yaml"
TEMPLATES: Final = "templates.yaml"
REPORT: Final = "report.md"
#: Key of the archive in its ConfigMap or Secret.
ARCHIVE_KEY: Final = "templates.tgz"


@dataclass(frozen=True)
class OutputFile:
    """A file to write. Only its owner may read a secret one."""

    name: str
    text: str = field(repr=False)
    secret: bool = False


@dataclass(frozen=True)
class ObjectNames:
    """Names of the objects of an import: all begin with the platform's."""

    platform: str
    #: None: that of the kubectl context.
    namespace: str | None

    @property
    def secrets(self) -> str:
        """Name of the Secret with the values of ``spec.secrets``."""
        return f"{self.platform}-secrets"

    @property
    def templates(self) -> str:
        """Name of the ConfigMap or Secret with the template archive."""
        return f"{self.platform}-templates"

    @property
    def certificate(self) -> str:
        """Name of the platform's TLS Secret."""
        return f"{self.platform}-certificate"

    def role_certificate(self, role: str) -> str:
        """Name of a role's own TLS Secret."""
        return f"{self.certificate}-{role}"

    def metadata(self, name: str) -> dict[str, Any]:
        """``metadata`` of an object."""
        return {"name": name} | ({"namespace": self.namespace} if self.namespace else {})


def platform_file(names: ObjectNames, spec: Mapping[str, Any]) -> OutputFile:
    """The PryvPlatform."""
    resource = {
        "apiVersion": keys.API_VERSION,
        "kind": keys.KIND,
        "metadata": {
            **names.metadata(names.platform),
            "annotations": {keys.CUT_OVER: keys.CUT_OVER_PENDING},
        },
        "spec": spec,
    }
    comment = f"Imported from a leader's folder; {REPORT} tells where each value went."
    return OutputFile(PLATFORM, manifest.dump([resource], comment))


def secrets_file(
    names: ObjectNames, secrets: Mapping[str, str], certificates: ExtractedCertificates
) -> OutputFile:
    """The Secret with ``secrets``, and a TLS Secret for each certificate."""
    objects = [_secret(names, names.secrets, "Opaque", dict(secrets))]
    pairs = {names.certificate: certificates.platform} | {
        names.role_certificate(role): pair for role, pair in certificates.by_role.items()
    }
    objects += [
        _secret(names, name, "kubernetes.io/tls", {"tls.crt": pair.chain, "tls.key": pair.key})
        for name, pair in pairs.items()
        if pair
    ]
    comment = (
        "Secret values. Store this file where only you can read it, or delete it once applied."
    )
    return OutputFile(SECRETS, manifest.dump(objects, comment), secret=True)


def templates_file(names: ObjectNames, archive: bytes, *, secret: bool) -> OutputFile:
    """The ConfigMap, or the Secret, with the template archive."""
    item = {
        "apiVersion": "v1",
        "kind": "Secret" if secret else "ConfigMap",
        "metadata": names.metadata(names.templates),
        "data" if secret else "binaryData": {ARCHIVE_KEY: base64.b64encode(archive).decode()},
    }
    comment = "The received templates, without the values of secret variables."
    return OutputFile(TEMPLATES, manifest.dump([item], comment), secret=secret)


def _secret(names: ObjectNames, name: str, kind: str, data: Mapping[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": names.metadata(name),
        "type": kind,
        "stringData": data,
    }
