"""Blocks and commands are read as a reader of the page sees them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import Block, BlockError, read_blocks
from tests.docs.shell import CommandError, Shell

PAGE = """
# Title

<!-- file: platform.yaml -->
<!-- fragment: spec.rollout -->
```yaml title="x"
paused: true
```

Text.

1. A step:

   <!-- not run: it needs a cloud -->

   ```console
   $ one
   ```

```text
none
```
"""


def test_blocks_have_language_line_and_notes() -> None:
    first, second, third = read_blocks(PAGE)
    assert first == Block(
        7, "yaml", "paused: true\n", {"file": "platform.yaml", "fragment": "spec.rollout"}
    )
    assert (second.language, second.text) == ("console", "$ one\n")
    assert second.notes == {"not run": "it needs a cloud"}
    assert (third.language, third.notes) == ("text", {})


def test_a_note_before_a_paragraph_is_not_of_the_block_after_it() -> None:
    (block,) = read_blocks("<!-- not run: x -->\n\nText.\n\n```console\n$ a\n```\n")
    assert block.notes == {}


def test_other_comments_are_no_notes() -> None:
    (block,) = read_blocks("<!-- end of reasons -->\n```console\n$ a\n```\n")
    assert block.notes == {}


def test_a_misspelt_key_is_an_error() -> None:
    with pytest.raises(BlockError, match='"not runs" is not one of'):
        read_blocks("<!-- not runs: x -->\n```console\n$ a\n```\n")


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("$ a b\noutput\n$ c\n", ["a b", "c"]),
        ("$ a \\\n    --b\noutput\n", ["a \\\n    --b"]),
        ("$ a \\\n> --b\n", ["a \\\n--b"]),
        ("$ cat <<'EOF' | x\nline\nEOF\noutput\n", ["cat <<'EOF' | x\nline\nEOF"]),
        ("$ patch -p '{\n  a: 1\n}'\noutput\n", ["patch -p '{\n  a: 1\n}'"]),
        ("$ a  # it's a comment\noutput\n", ["a  # it's a comment"]),
        ("output only\n", []),
    ],
)
def test_commands(text: str, commands: list[str]) -> None:
    assert Block(1, "console", text).commands == commands


def test_a_command_that_is_not_complete_is_an_error() -> None:
    with pytest.raises(BlockError, match="not complete: a 'b"):
        _ = Block(1, "console", "$ a 'b\n").commands


def test_shell_keeps_variables_and_folder(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    shell = Shell(tmp_path / "state", folder, {"PATH": "/usr/bin:/bin"})
    shell.run("name='a b'; export other=c")
    shell.run("cd sub")
    assert shell.run('echo "$name" $other; pwd') == f"a b c\n{folder / 'sub'}\n"
    assert shell.folder == folder / "sub"


def test_shell_reports_the_output_of_a_failed_command(tmp_path: Path) -> None:
    shell = Shell(tmp_path / "state", tmp_path, {"PATH": "/usr/bin:/bin"})
    with pytest.raises(CommandError, match=r"\$ echo why; false\nexited with 1:\nwhy"):
        shell.run("echo why; false")
    assert shell.run("echo why; false", fails=True) == "why\n"
    with pytest.raises(CommandError, match="exited with 0"):
        shell.run("true", fails=True)
    with pytest.raises(CommandError):
        shell.run("false | cat")
