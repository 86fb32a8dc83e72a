"""Each scenario with a fault at each point: it ends as it does without, and nothing was made or rolled more often."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from tests.faults import compare
from tests.faults.conftest import DEFAULT_PAIRS, DEFAULT_POINTS, DEFAULT_STAGES, kinds, option
from tests.faults.faults import Fault, every, pairs, spread
from tests.faults.scenarios import SCENARIOS, WHOLE, Scenario
from tests.faults.stage import Played, Rig, play

pytestmark = pytest.mark.cluster


@dataclass
class Tried:
    """What was tried of a scenario. ``missed``: the run had ended before that point came."""

    by_kind: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    failures: list[str] = field(default_factory=list)


def check_undisturbed(scenario: Scenario, played: Played) -> None:
    """What later runs are compared with has to be right itself."""
    assert scenario in WHOLE or played.run.rolled == scenario.rolls
    if scenario.restart:
        assert not played.counts.get("write")


async def undisturbed(rig: Rig, scenario: Scenario, times: int = 2) -> Played:
    """How it goes when nothing goes wrong: the same each time."""
    first, *others = await asyncio.gather(*(play(rig, scenario) for _ in range(times)))
    check_undisturbed(scenario, first)
    for other in others:
        told = compare.complaints(first.run, other.run) or compare.complaints(other.run, first.run)
        assert not told, "two undisturbed runs differ:\n" + "\n".join(told)
    return first


async def try_all(
    rig: Rig,
    scenario: Scenario,
    expected: Played,
    points: Sequence[tuple[Fault, ...]],
    at_once: int,
) -> Tried:
    """Each point in a namespace of its own, some at a time."""
    slots, tried = asyncio.Semaphore(at_once), Tried()

    async def one(faults: tuple[Fault, ...]) -> None:
        async with slots:
            try:
                played = await play(rig, scenario, faults)
                complaints = compare.complaints(expected.run, played.run)
            except AssertionError as error:
                played, complaints = None, [str(error)]
        tried.by_kind[" + ".join(fault.kind for fault in faults)] += 1
        tried.missed += played is not None and played.happened < len(faults)
        if complaints:
            tried.failures.append(
                f"=== {scenario.name}: {' and '.join(map(str, faults))}\n" + "\n".join(complaints)
            )

    await asyncio.gather(*map(one, points))
    return tried


async def check(
    rig: Rig,
    scenario: Scenario,
    config: pytest.Config,
    say: Callable[[str], None],
    count: int,
    pair_count: int,
) -> None:
    """Undisturbed, then with faults."""
    began, at_once = time.monotonic(), option(config, "fault_stages", DEFAULT_STAGES)
    seed = f"{scenario.name} {option(config, 'fault_seed', 0)}"  # other kinds of faults for each scenario
    expected = await undisturbed(rig, scenario)
    there = every(expected.counts, kinds(config))
    points: list[tuple[Fault, ...]] = [(fault,) for fault in spread(there, count, seed)] + pairs(
        expected.counts, pair_count, seed
    )
    tried = await try_all(rig, scenario, expected, points, at_once)
    by_kind = ", ".join(
        f"{kind} {number}" for kind, number in sorted(tried.by_kind.items()) if " + " not in kind
    )
    say(
        f"{scenario.name}: {dict(sorted(expected.counts.items()))}; {len(points)} tried of {len(there)} points ({pair_count} pairs among "
        f"them), {tried.missed} not reached, {len(tried.failures)} failed, {time.monotonic() - began:.0f} s: {by_kind}"
    )
    assert not tried.failures, "\n".join(tried.failures)


@pytest.mark.long
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
async def test_a_fault_changes_nothing(
    rig: Rig, scenario: Scenario, pytestconfig: pytest.Config, cluster_echo: Callable[[str], None]
) -> None:
    count, pair_count = (
        option(pytestconfig, "fault_points", DEFAULT_POINTS),
        option(pytestconfig, "fault_pairs", DEFAULT_PAIRS),
    )
    await check(rig, scenario, pytestconfig, cluster_echo, count, pair_count)


@pytest.mark.long
@pytest.mark.usefixtures("when_asked_for")
@pytest.mark.parametrize("scenario", WHOLE, ids=lambda each: each.name)
async def test_a_fault_changes_nothing_of_a_whole_release(
    rig: Rig, scenario: Scenario, pytestconfig: pytest.Config, cluster_echo: Callable[[str], None]
) -> None:
    count, pair_count = (
        option(pytestconfig, "fault_points", DEFAULT_POINTS),
        option(pytestconfig, "fault_pairs", DEFAULT_PAIRS),
    )
    await check(rig, scenario, pytestconfig, cluster_echo, count, pair_count)
