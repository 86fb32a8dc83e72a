"""CPU time of rendering, beside programs that do the same: Node as Pryv's leader, Python's ``re``.

``python -m tests.bench_rendering`` prints all of it. The archive is that of release 1.9.2 from the
reference data in ``../shared/pryv``. Without them it is one of the same form: what the built-in
templates give, with the names of variables in the place of their texts.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pryv_operator.leader.javascript import stringify
from pryv_operator.leader.platform_yml import read_platform_yml
from pryv_operator.leader.substitution import Substitution
from pryv_operator.leader.taint import Value
from pryv_operator.rendering.files import default_values, render
from pryv_operator.templates.builtin import load_release
from pryv_operator.templates.bundle import Bundle

_REFERENCE: Final = Path(__file__).parents[2] / "shared/pryv/releases/1.9.2-cluster/config-leader"
_LEADER: Final = Path(__file__).with_suffix(".js")
_ROUNDS: Final = 30
#: Of the leader of release 1.9.2.
_INTERNALS: Final = 5


@dataclass(frozen=True)
class Archive:
    """A bundle of the leader's form, and the values of its variables in their order.

    So many of them, the first ones, are the leader's ``internals``.
    """

    bundle: Bundle
    variables: Mapping[str, Any] = field(repr=False)
    internals: int

    @property
    def values(self) -> dict[str, Value]:
        """The variables for our renderer."""
        return {name: Value(value) for name, value in self.variables.items()}

    @property
    def files(self) -> list[tuple[str, str]]:
        """Path and text of every file."""
        return [
            (f"{role}/{path}", content.decode("utf-8", "replace"))
            for role, files in sorted(self.bundle.roles.items())
            for path, content in sorted(files.items())
        ]


@dataclass(frozen=True)
class Comparison:
    """Seconds of CPU for all files of an archive: the least of several rounds.

    ``substituted``: names replaced. ``rendered``: that, and all checks of ours. ``theirs``: the
    other program. ``equal``: whether its texts are ours.
    """

    substituted: float
    rendered: float
    theirs: float
    equal: bool


def archive() -> Archive:
    """The archive to render."""
    return _reference() if _REFERENCE.is_dir() else _from_builtin_release()


def against_node() -> Comparison | None:
    """Ours beside Node, warm, with the algorithm of Pryv's leader; None if Node is not found.

    Most of Node's time goes into the map of settings, which the leader makes for each file.
    """
    node = shutil.which("node")
    if node is None:
        return None
    given = archive()
    listed = list(given.variables.items())
    request = {
        "files": given.files,
        "internals": dict(listed[: given.internals]),
        "variables": dict(listed[given.internals :]),
        "rounds": _ROUNDS,
    }
    done = subprocess.run(
        [node, str(_LEADER)],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(done.stdout)
    return _compared(given, min(answer["seconds"]), answer["texts"])


def against_plain_re() -> Comparison:
    """Ours beside the same algorithm with Python's regular expressions."""
    given = archive()
    return _compared(given, _least(lambda: _with_re(given)), _with_re(given))


def seconds_by_bytes(factors: tuple[int, ...] = (1, 2, 4, 8)) -> dict[int, float]:
    """Bytes of all files → seconds, for the archive's files so many times as long."""
    found = {}
    for factor in factors:
        given = archive()
        files = [text * factor for _, text in given.files]
        found[sum(map(len, files))] = _least(lambda: _substituted(given.values, files))  # noqa: B023
    return found


def seconds_by_variables(factors: tuple[int, ...] = (1, 2, 4, 8)) -> dict[int, float]:
    """Number of variables → seconds, each named once; their matcher is built each time."""
    found = {}
    for factor in factors:
        count = 100 * factor
        values = {f"VARIABLE_{number:05}_": Value("value") for number in range(count)}
        found[count] = _least(lambda: _substituted(values, [" ".join(values)]))  # noqa: B023
    return found


def _compared(given: Archive, theirs: float, texts: list[str]) -> Comparison:
    files = [text for _, text in given.files]
    return Comparison(
        substituted=_least(lambda: _substituted(given.values, files)),
        rendered=_least(lambda: render(given.bundle, given.values, order="leader")),
        theirs=theirs,
        equal=texts == _substituted(given.values, files),
    )


def _substituted(values: Mapping[str, Value], texts: list[str]) -> list[str]:
    substitution = Substitution(values, "leader")
    return [substitution.apply(text).text for text in texts]


def _with_re(given: Archive) -> list[str]:
    names = re.compile("|".join(map(re.escape, given.variables)))

    def value(found: re.Match[str]) -> str:
        chosen = given.variables[found[0]]
        if isinstance(chosen, Mapping) and chosen.get("value") is not None:
            chosen = chosen["value"]
        return names.sub(value, chosen if isinstance(chosen, str) else stringify(chosen))

    return [names.sub(value, text) for _, text in given.files]


def _least(measured: Callable[[], object]) -> float:
    seconds = []
    for _ in range(_ROUNDS):
        before = time.process_time()
        measured()
        seconds.append(time.process_time() - before)
    return min(seconds)


def _reference() -> Archive:
    roles = {
        role.name: {
            path.relative_to(role).as_posix(): path.read_bytes()
            for path in role.rglob("*")
            if path.is_file()
        }
        for role in sorted((_REFERENCE / "data").iterdir())
    }
    internals = json.loads((_REFERENCE / "conf/config-leader.json").read_text())["internals"]
    variables = read_platform_yml((_REFERENCE / "conf/platform.yml").read_text(), internals)
    return Archive(Bundle("archive", "1.9.2", roles, jinja=False), variables, len(internals))


def _from_builtin_release() -> Archive:
    bundle = load_release()
    variables = {name: each.value for name, each in default_values(bundle, {}).items()}
    marks = {
        name: f"zq{number:03}qz"
        for number, name in enumerate(variables)
        if bundle.variables[name].type == "string"
    }
    marked = {name: Value(marks.get(name, value)) for name, value in variables.items()}
    names = {mark: name for name, mark in marks.items()}
    roles = {
        role: {
            file.path: re.sub(
                "zq[0-9]{3}qz", lambda found: names[found[0]], file.content.decode()
            ).encode()
            for file in files
        }
        for role, files in render(bundle, marked).items()
    }
    return Archive(Bundle("archive", bundle.version, roles, jinja=False), variables, _INTERNALS)


def main() -> None:
    """Print all comparisons."""
    for title, found in (("Node", against_node()), ("re", against_plain_re())):
        if found is None:
            print(f"{title}: not found")
            continue
        print(
            f"{title}: {found.theirs * 1000:.2f} ms; substituted {found.substituted * 1000:.2f} ms "
            f"(1/{found.theirs / found.substituted:.1f}), rendered with all checks "
            f"{found.rendered * 1000:.2f} ms (1/{found.theirs / found.rendered:.1f}), "
            f"{'the same' if found.equal else 'OTHER'} texts"
        )
    for title, sizes in (("bytes", seconds_by_bytes()), ("variables", seconds_by_variables())):
        print(title, {size: f"{seconds * 1000:.2f} ms" for size, seconds in sizes.items()})


if __name__ == "__main__":
    main()
