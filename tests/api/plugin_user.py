"""A user of ``kubectl-pryv``, whose output is kept to be searched for secret values."""

from __future__ import annotations

from pathlib import Path

from click.testing import Result
from typer.testing import CliRunner

from pryv_operator.cli.plugin import plugin
from tests.api.platforms import PlatformUser


class PluginUser:
    """Runs commands in the namespace of a user, as the administrator by default."""

    def __init__(self, user: PlatformUser) -> None:
        self.user = user
        self.said: list[str] = []

    def runs(self, *arguments: str, kubeconfig: Path | None = None) -> Result:
        """Run a command; it may fail, but not with an exception."""
        env = {"KUBECONFIG": str(kubeconfig or self.user.control_plane.kubeconfig)}
        result = CliRunner(env=env).invoke(plugin, [*arguments, "-n", self.user.namespace])
        assert result.exception is None or isinstance(result.exception, SystemExit), (
            result.exception
        )
        self.said.append(result.output)
        return result

    def gets(self, *arguments: str, kubeconfig: Path | None = None) -> str:
        """What a command that succeeds prints."""
        result = self.runs(*arguments, kubeconfig=kubeconfig)
        assert result.exit_code == 0, result.output
        return result.stdout
