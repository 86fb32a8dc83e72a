"""Each scenario ends in the same state with and without faults.

No object is created or deleted, and no pod replaced, more often than without faults.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from tests.faults import compare
from tests.faults.conftest import DEFAULT_PAIRS, DEFAULT_POINTS, DEFAULT_WORKERS, kinds, option
from tests.faults.faults import Fault, every, pairs, spread
from tests.faults.sandbox import Outcome, Rig, run_scenario
from tests.faults.scenarios import RELEASE_SCENARIOS, SCENARIOS, Scenario

pytestmark = pytest.mark.cluster


@dataclass
class Tried:
    """Runs of a scenario with faults. ``missed``: the run ended before its faults happened."""

    by_kind: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    failures: list[str] = field(default_factory=list)


def check_without_faults(scenario: Scenario, outcome: Outcome) -> None:
    """Check the run that later runs are compared with."""
    assert scenario in RELEASE_SCENARIOS or outcome.run.rolled == scenario.rolls
    if scenario.restart:
        assert not outcome.counts.get("write")


async def run_without_faults(rig: Rig, scenario: Scenario, times: int = 2) -> Outcome:
    """Run the scenario without faults; fail if two runs differ."""
    first, *others = await asyncio.gather(*(run_scenario(rig, scenario) for _ in range(times)))
    check_without_faults(scenario, first)
    for other in others:
        found = [
            *compare.differences(first.run, other.run),
            *compare.differences(other.run, first.run),
        ]
        assert not found, "two runs without faults differ:\n" + "\n".join(found)
    return first


async def try_all(
    rig: Rig,
    scenario: Scenario,
    expected: Outcome,
    points: Sequence[tuple[Fault, ...]],
    at_once: int,
) -> Tried:
    """Run the scenario with each set of faults, `at_once` runs in parallel."""
    slots, tried = asyncio.Semaphore(at_once), Tried()

    async def one(faults: tuple[Fault, ...]) -> None:
        async with slots:
            try:
                outcome = await run_scenario(rig, scenario, faults)
                differences = compare.differences(expected.run, outcome.run)
            except AssertionError as error:
                outcome, differences = None, [str(error)]
        tried.by_kind[" + ".join(fault.kind for fault in faults)] += 1
        tried.missed += outcome is not None and outcome.injected < len(faults)
        if differences:
            tried.failures.append(
                f"=== {scenario.name}: {' and '.join(map(str, faults))}\n" + "\n".join(differences)
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
    """Run the scenario without faults, then with `count` faults and `pair_count` pairs."""
    began, at_once = time.monotonic(), option(config, "fault_workers", DEFAULT_WORKERS)
    # The name is part of the seed, so that scenarios get different kinds of faults.
    seed = f"{scenario.name} {option(config, 'fault_seed', 0)}"
    expected = await run_without_faults(rig, scenario)
    available = every(expected.counts, kinds(config))
    points: list[tuple[Fault, ...]] = [
        (fault,) for fault in spread(available, count, seed)
    ] + pairs(expected.counts, pair_count, seed)
    tried = await try_all(rig, scenario, expected, points, at_once)
    by_kind = ", ".join(
        f"{kind} {number}" for kind, number in sorted(tried.by_kind.items()) if " + " not in kind
    )
    say(
        f"{scenario.name}: {dict(sorted(expected.counts.items()))}; "
        f"{len(points)} tried of {len(available)} faults ({pair_count} pairs among them), "
        f"{tried.missed} not reached, {len(tried.failures)} failed, "
        f"{time.monotonic() - began:.0f} s: {by_kind}"
    )
    assert not tried.failures, "\n".join(tried.failures)


@pytest.mark.long
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
async def test_faults_do_not_change_the_final_state(
    rig: Rig, scenario: Scenario, pytestconfig: pytest.Config, cluster_echo: Callable[[str], None]
) -> None:
    count, pair_count = (
        option(pytestconfig, "fault_points", DEFAULT_POINTS),
        option(pytestconfig, "fault_pairs", DEFAULT_PAIRS),
    )
    await check(rig, scenario, pytestconfig, cluster_echo, count, pair_count)


@pytest.mark.long
@pytest.mark.usefixtures("only_with_fault_points")
@pytest.mark.parametrize("scenario", RELEASE_SCENARIOS, ids=lambda each: each.name)
async def test_faults_do_not_change_the_final_state_of_a_release(
    rig: Rig, scenario: Scenario, pytestconfig: pytest.Config, cluster_echo: Callable[[str], None]
) -> None:
    count, pair_count = (
        option(pytestconfig, "fault_points", DEFAULT_POINTS),
        option(pytestconfig, "fault_pairs", DEFAULT_PAIRS),
    )
    await check(rig, scenario, pytestconfig, cluster_echo, count, pair_count)
