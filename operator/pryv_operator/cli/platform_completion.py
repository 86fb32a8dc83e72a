"""Names of platforms for shell completion. kubectl lists them: it starts ten times as fast."""

from __future__ import annotations

import shutil
import subprocess
from typing import Final

import typer

#: Options that say where platforms are, by parameter.
_WHERE: Final = {
    "namespace": "--namespace",
    "kubeconfig": "--kubeconfig",
    "context": "--context",
    "cluster": "--cluster",
    "user": "--user",
}
_SECONDS: Final = 3


def complete_platforms(ctx: typer.Context, incomplete: str) -> list[str]:
    """The platforms whose name begins with a text; none if they cannot be listed."""
    kubectl = shutil.which("kubectl")
    if not kubectl:
        return []
    where = [
        f"{option}={ctx.params[name]}" for name, option in _WHERE.items() if ctx.params.get(name)
    ]
    command = [kubectl, "get", "pryvplatforms.pryv.io", "--output=name", "--request-timeout=2s"]
    try:
        found = subprocess.run(
            [*command, *where],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    names = [line.rpartition("/")[2] for line in found.stdout.splitlines()]
    return [name for name in names if name.startswith(incomplete)]
