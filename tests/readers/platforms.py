"""The platforms whose files are read: of the built-in release, and of the reference archives."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from pryv_operator.desired.certificates import dns_names
from pryv_operator.desired.inputs import Inputs
from pryv_operator.desired.state import Desired, compute_desired
from pryv_operator.importer.import_leader import Options, import_leader
from pryv_operator.offline.documents import read_documents
from pryv_operator.offline.preview import prepare_inputs
from pryv_operator.pki.authority import issue_authority, issue_certificate, parse_issued
from pryv_operator.pki.certificate import Certificate
from pryv_operator.templates.leader_folder import read_leader
from tests.readers.pod import Pod, pods_of
from tests.unit.builders import inputs, platform
from tests.unit.templates.archives import release_files

_RELEASES: Final = Path(__file__).parents[3] / "shared" / "pryv" / "releases"

#: Name → fields of the spec.
BUILT_IN: Final[dict[str, dict[str, Any]]] = {
    "builtin-cluster": {
        "roles": {"core": {"instances": [{"name": "co1"}, {"name": "co2"}]}, "reg-slave": {}}
    },
    "builtin-singlenode": {"roles": {"singlenode": {"address": "192.0.2.7"}}},
}
#: Archives of `../shared`, each rendered from its own templates.
REFERENCES: Final = (
    "1.6.12-cluster",
    "1.7.3-single-node",
    "1.9.2-cluster",
    "1.9.2-single-node",
    "2019-seed-era",
)
ALL: Final = (*BUILT_IN, *REFERENCES)


@dataclass(frozen=True)
class ReadPlatform:
    """A platform with everything that a pod of it would find."""

    name: str
    domain: str
    desired: Desired
    #: The authority (PEM) that signed the served certificate.
    authority: str
    inputs: Inputs = field(repr=False)

    @property
    def is_builtin(self) -> bool:
        return self.name in BUILT_IN

    @property
    def pods(self) -> tuple[Pod, ...]:
        """One pod of each workload."""
        return pods_of(self.desired, self.inputs.cluster_ips)

    def pod(self, instance: str, component: str) -> Pod:
        """The pod of a component."""
        return next(
            pod for pod in self.pods if (pod.instance, pod.component) == (instance, component)
        )


@cache
def read_platform(name: str) -> ReadPlatform:
    """The platform with this name; the test is skipped if its archive is missing."""
    found = inputs(platform(**BUILT_IN[name])) if name in BUILT_IN else _imported(name)
    domain = found.platform.spec.domain
    authority, certificate = _certificate(domain)
    desired = compute_desired(replace(found, certificate=certificate))
    assert not desired.problems, desired.problems
    assert not desired.waiting, desired.waiting
    assert not desired.blocked, desired.blocked
    return ReadPlatform(name, domain, desired, authority, found)


def _imported(release: str) -> Inputs:
    """The inputs of an imported leader that keeps its templates."""
    if not (_RELEASES / release).is_dir():
        pytest.skip(f"needs the reference archive in ../shared/pryv/releases/{release}")
    leader = read_leader(release_files(_RELEASES, release))
    imported = import_leader(leader, Options(own_templates=True), dt.datetime.now(dt.UTC))
    documents = read_documents(
        [(file.name, file.text) for file in imported.files if file.name.endswith(".yaml")]
    )
    return prepare_inputs(documents, show_secrets=True).inputs


def _certificate(domain: str) -> tuple[str, Certificate]:
    """An authority as the operator makes it, and the certificate that it signed."""
    now = dt.datetime.now(dt.UTC)
    made = issue_authority("acme", domain, now)
    authority = parse_issued("acme-ca-1", made.chain, made.key)
    assert authority is not None
    return made.chain, issue_certificate(authority, dns_names(domain), now)
