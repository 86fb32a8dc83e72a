"""Runs the blocks of one page, in order, in a folder that looks like a clone of the project."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests.docs.blocks import Block, read_blocks
from tests.docs.shell import Shell

ROOT: Final = Path(__file__).parents[2]
NAMESPACE: Final = "pryv"
#: Of a clone, what commands of the pages use.
_NOT_OF_A_CLONE: Final = (".venv", ".hypothesis", ".pytest_cache", ".mypy_cache", ".ruff_cache")
_PLATFORM: Final = {
    "apiVersion": "pryv.io/v1alpha1",
    "kind": "PryvPlatform",
    "metadata": {"name": "fragment", "namespace": NAMESPACE},
    "spec": {"domain": "fragment.example.com"},
}


@dataclass(frozen=True)
class Outcome:
    """What was done with the blocks of a page."""

    run: int
    skipped: tuple[str, ...]
    """Why blocks were not run."""


class PageError(AssertionError):
    """A block of a page does not do what it should; the message names its line."""


def clone(folder: Path) -> Path:
    """A folder with links to the files of the project: what a page writes stays in it."""
    folder.mkdir()
    for path in ROOT.iterdir():
        if path.name not in _NOT_OF_A_CLONE:
            (folder / path.name).symlink_to(path)
    return folder


def environment(kubeconfig: Path, programs: Path, home: Path) -> dict[str, str]:
    """The environment of a reader: kubectl, helm and the plugin on the PATH, and no other home."""
    path = (str(programs), str(Path(sys.executable).parent), os.environ["PATH"])
    return {
        "PATH": os.pathsep.join(path),
        "HOME": str(home),
        "KUBECONFIG": str(kubeconfig),
        "PYTHONPATH": str(ROOT / "operator"),
        "LANG": "C.UTF-8",
        # What a page asks its reader to set.
        "PRYV_REGISTRY_USER": "reader",
        "PRYV_REGISTRY_PASSWORD": "only-for-the-pages",
    }


def run_page(
    text: str,
    shell: Shell,
    apply: Callable[[str], None],
    *,
    available: frozenset[str],
    after_command: Callable[[], None] = lambda: None,
) -> Outcome:
    """Run the blocks of a page.

    Args:
        text: the page.
        shell: runs the commands.
        apply: applies a manifest with `--dry-run=server`.
        available: what `needs` may name.
        after_command: is called after each command.

    Raises:
        PageError: a block fails.
    """
    run, skipped = 0, []
    for block in read_blocks(text):
        reason = block.notes.get("not run")
        needed = block.notes.get("needs")
        if reason is None and needed is not None and needed not in available:
            reason = f"needs {needed}"
        if reason is not None:
            skipped.append(f"line {block.line}: {reason}")
            continue
        try:
            run += _run_block(block, shell, apply, after_command)
        except (AssertionError, ValueError, OSError, RuntimeError) as error:
            raise PageError(f"line {block.line}: {error}") from error
    return Outcome(run, tuple(skipped))


def _run_block(
    block: Block,
    shell: Shell,
    apply: Callable[[str], None],
    after_command: Callable[[], None],
) -> int:
    if block.language in {"console", "sh"}:
        commands = block.commands if block.language == "console" else [block.text]
        for number, command in enumerate(commands, start=1):
            last = number == len(commands)
            shell.run(command, fails=last and "fails" in block.notes)
            after_command()
        return len(commands)
    if "file" in block.notes:
        (shell.folder / block.notes["file"]).write_text(block.text)
    if "fragment" in block.notes:
        apply(json.dumps(_with_fragment(block)))
        return 1
    if block.language == "yaml":
        apply(block.text)
        return 1
    if block.language == "json":
        json.loads(block.text)
        return 1
    return 0


def _with_fragment(block: Block) -> dict[str, Any]:
    """A platform with the fragment at its path."""
    resource: dict[str, Any] = json.loads(json.dumps(_PLATFORM))
    inside = resource
    keys = [key for key in block.notes["fragment"].split(".") if key]
    for key in keys:
        inside = inside.setdefault(key, {})
    inside |= _mapping(block.text)
    return resource


def _mapping(text: str) -> dict[str, Any]:
    value = yaml.safe_load(text)
    assert isinstance(value, dict), "a fragment has to be a mapping"
    # A fragment that begins with its own key adds to what the platform has.
    if isinstance(value.get("spec"), dict):
        value["spec"] = {**_PLATFORM["spec"], **value["spec"]}  # type: ignore[dict-item]
    return value
