"""``kubectl-pryv explain``: a variable, what it affects, and where it is set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pryv_operator.api.findings import Problem
from pryv_operator.cli.cluster import Cluster, ClusterError
from pryv_operator.cli.live_platform import platform_of, read_bundle
from pryv_operator.offline.preview import placeholder_inputs
from pryv_operator.offline.variable_texts import (
    Explanation,
    explain,
    explain_offline,
    variable_documents,
    variable_table,
)
from pryv_operator.offline.variables import find_variable
from pryv_operator.reconcile.service_addresses import recorded_addresses
from pryv_operator.reconcile.stored_status import stored_status
from pryv_operator.templates.builtin import load_release
from pryv_operator.templates.bundle import Bundle


@dataclass(frozen=True)
class ExplanationView:
    """A variable; ``document`` is what JSON and YAML hold."""

    explanation: Explanation

    def table(self, *, wide: bool) -> str:
        """The explanation as text."""
        del wide
        return self.explanation.text

    def names(self) -> Sequence[str]:
        """The name of the variable."""
        return (self.explanation.info.name,)

    def document(self) -> dict[str, Any]:
        """What JSON and YAML hold."""
        return self.explanation.document


@dataclass(frozen=True)
class VariablesView:
    """All variables of a release."""

    bundle: Bundle

    def table(self, *, wide: bool) -> str:
        """A line for each."""
        del wide
        return variable_table(self.bundle)

    def names(self) -> Sequence[str]:
        """Their names."""
        return tuple(self.bundle.variables)

    def document(self) -> dict[str, Any]:
        """What JSON and YAML hold."""
        return {"release": self.bundle.version, "variables": variable_documents(self.bundle)}


def of_release(release: str | None, variable: str | None) -> ExplanationView | VariablesView:
    """A variable of a built-in release (None: the newest), or all of them.

    Raises:
        UnknownReleaseError: the release is not built in.
        UnknownVariableError: the release has no such variable.
    """
    bundle = load_release(release)
    if variable is None:
        return VariablesView(bundle)
    return ExplanationView(explain_offline(bundle, variable))


async def of_platform(
    cluster: Cluster, name: str, variable: str | None
) -> ExplanationView | VariablesView:
    """A variable of a live platform, or all of them. Secrets are not read.

    Raises:
        ClusterError: the platform does not exist, or its templates or spec cannot be used.
        OfflineError: the platform cannot be rendered as it is configured.
        UnknownVariableError: its templates have no such variable.
    """
    resource = await cluster.read_platform(name)
    platform = platform_of(resource)
    status = stored_status(resource)
    bundle = await read_bundle(cluster, platform, status.release)
    if isinstance(bundle, Problem):
        raise ClusterError(bundle.message)
    if variable is None:
        return VariablesView(bundle)
    info = find_variable(bundle, variable)
    inputs = placeholder_inputs(platform, bundle, recorded_addresses(status))
    return ExplanationView(explain(info, inputs, platform))
