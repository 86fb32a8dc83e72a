"""Writes the generated part of docs/performance.md. Pure, except for ``update``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.bench.results import Measurement, Result, in_order

#: What has no value.
_NONE: Final = "-"
PAGE: Final = Path(__file__).parents[2] / "docs" / "performance.md"
BEGIN: Final = "<!-- written by `make bench`: begin -->"
END: Final = "<!-- written by `make bench`: end -->"


def update(text: str, results: Iterable[Result], machine: Mapping[str, str]) -> str:
    """The page with the results between its two marks.

    Raises:
        ValueError: a mark is missing.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no marks; add {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{generated(results, machine)}\n{END}{after}"


def generated(results: Iterable[Result], machine: Mapping[str, str]) -> str:
    """The machine and a section for each result, as Markdown."""
    lines = ["## Machine", "", *_table(("what", "value"), machine.items()), ""]
    for result in results:
        lines += [f"## {result.title}", "", *_section(result), ""]
    return "\n".join(lines)


def _section(result: Result) -> Iterator[str]:
    for note in result.notes:
        yield f"{note}"
    if result.notes:
        yield ""
    yield from _table(
        ("figure", "median", "p95", "rounds", "baseline", "ratio"), map(_row, result.measurements)
    )
    if result.requests:
        yield ""
        yield from _table(
            ("requests", "by verb"),
            (
                (name, ", ".join(f"{verb} {_number(count)}" for verb, count in in_order(by_verb)))
                for name, by_verb in result.requests.items()
            ),
        )


def _row(each: Measurement) -> tuple[str, ...]:
    baseline = each.baseline_median
    return (
        each.name,
        _with_unit(each.median, each.unit),
        _with_unit(each.p95, each.unit) if len(each.values) > 1 else _NONE,
        str(len(each.values)),
        f"{each.against}: {_with_unit(baseline, each.unit)}" if baseline is not None else _NONE,
        _number(each.ratio) if each.ratio is not None else _NONE,
    )


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield _line(heads)
    yield _line(("---",) * len(heads))
    yield from map(_line, rows)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") or "none" for cell in cells) + " |"


def _with_unit(value: float, unit: str) -> str:
    return f"{_number(value)} {unit}".rstrip()


def _number(value: float) -> str:
    """Three digits that count."""
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"
