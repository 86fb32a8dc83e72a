"""``python -m tests.bench [SCENARIO …]``: measure, print, write build/bench.json and the page."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from tests.bench import machine, page
from tests.bench.context import Context, Options, echo
from tests.bench.results import Result, in_order
from tests.bench.scenarios import SCENARIOS

_BUILD: Final = Path(__file__).parents[2] / "build"
_DEFAULTS: Final = Options()


def main(arguments: Sequence[str]) -> int:
    """Run the named scenarios, or all of them."""
    parser = _parser()
    given = parser.parse_args(arguments)
    file: Path = given.output
    if unknown := set(given.scenario) - set(SCENARIOS):
        parser.error(f"scenario: {sorted(unknown)} not found; known: {', '.join(SCENARIOS)}")
    results = _read(file)
    if not given.page_only:
        context = Context(
            Options(
                platforms=given.platforms,
                stopped=given.stopped,
                rounds=given.rounds,
                soak_minutes=given.soak_minutes,
                edit_seconds=given.edit_seconds,
                code=given.code,
            )
        )
        about = machine.describe()
        try:
            for name in given.scenario or SCENARIOS:
                echo(f"scenario {name}")
                result = SCENARIOS[name](context)
                results[name] = result
                _write(file, results.values(), about)  # what follows may fail
                _print(result)
        finally:
            context.close()
    if given.write_page or given.page_only:
        stored = json.loads(file.read_text())
        ordered = [results[name] for name in SCENARIOS if name in results]
        page.PAGE.write_text(page.update(page.PAGE.read_text(), ordered, stored["machine"]))
        echo(f"written: {page.PAGE}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("scenario", nargs="*", metavar="SCENARIO", help="default: all")
    parser.add_argument("--platforms", type=int, default=_DEFAULTS.platforms, help="at most")
    parser.add_argument("--stopped", action="store_true", help="platforms have no pods")
    parser.add_argument("--rounds", type=int, default=_DEFAULTS.rounds)
    parser.add_argument("--soak-minutes", type=float, default=_DEFAULTS.soak_minutes)
    parser.add_argument("--edit-seconds", type=float, default=_DEFAULTS.edit_seconds)
    parser.add_argument("--code", type=Path, help="folder of another version of the operator")
    parser.add_argument("--output", type=Path, default=_BUILD / "bench.json")
    parser.add_argument("--write-page", action="store_true", help="docs/performance.md too")
    parser.add_argument("--page-only", action="store_true", help="from what is in the output")
    return parser


def _read(file: Path) -> dict[str, Result]:
    """What was measured before, by scenario."""
    if not file.exists():
        return {}
    found = map(Result.from_json, json.loads(file.read_text())["results"])
    return {each.scenario: each for each in found}


def _write(file: Path, results: Iterable[Result], about: dict[str, str]) -> None:
    file.parent.mkdir(exist_ok=True)
    written = {"machine": about, "results": [each.as_json() for each in results]}
    file.write_text(json.dumps(written, indent=1) + "\n")


def _print(result: Result) -> None:
    print(f"\n{result.title}")
    for each in result.measurements:
        against = (
            f"   {each.against}: {each.baseline_median:.3f}, ratio {each.ratio or 0:.3f}"
            if each.baseline_median is not None
            else ""
        )
        print(f"  {each.name:54} {each.median:9.3f} {each.unit:8} p95 {each.p95:9.3f}{against}")
    for name, by_verb in result.requests.items():
        print(f"  {name}: {', '.join(f'{verb} {count:.1f}' for verb, count in in_order(by_verb))}")
    for note in result.notes:
        print(f"  {note}")
    print(flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
