"""What the benchmarks compute from their rounds, and the page that is written from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench import page
from tests.bench.at_sizes import sizes_up_to
from tests.bench.results import Measurement, Result, growth_exponent, in_order, percentile, slope
from tests.bench.usage import Usage

MACHINE = {"processors": "2 of a | b"}
RESULT = Result(
    "install",
    "First installation",
    (
        Measurement("CPU", "s", (0.5, 1.5, 1.0), (0.25, 0.25), "bare writer"),
        Measurement("reconciliations", "", (3,)),
        Measurement("writes at rest", "", (0,), (0,), "none"),
    ),
    notes=("One core.",),
    requests={"one": {"create": 118.0, "get": 2.5}, "at rest": {}},
)

METRICS = """\
# TYPE pryv_operator_reconciliations_total counter
pryv_operator_reconciliations_total{outcome="ready"} 3.0
pryv_operator_reconciliations_total{outcome="failed"} 1.0
# TYPE pryv_operator_api_requests_total counter
pryv_operator_api_requests_total{code="200",method="GET",resource="pods",verb="list"} 7.0
pryv_operator_api_requests_total{code="410",method="GET",resource="pods",verb="list"} 1.0
pryv_operator_api_requests_total{code="201",method="POST",resource="secrets",verb="create"} 5.0
# TYPE pryv_operator_lease_requests_total counter
pryv_operator_lease_requests_total{code="200",method="GET"} 9.0
"""


def test_a_measurement_has_a_median_a_p95_and_a_ratio() -> None:
    cpu, reconciliations, writes = RESULT.measurements
    assert (cpu.median, cpu.p95, cpu.ratio) == (1.0, 1.5, 4.0)
    assert (reconciliations.median, reconciliations.ratio) == (3, None)
    assert writes.ratio is None


def test_a_result_is_read_as_it_was_written() -> None:
    assert Result.from_json(RESULT.as_json()) == RESULT


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0, 100))
def test_a_percentile_is_one_of_the_values_and_not_exceeded_by_so_many(
    values: list[float], percent: float
) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(each <= found for each in values) >= len(values) * percent / 100 - 1e-9


@given(st.floats(0.01, 100), st.floats(-2, 3))
def test_the_exponent_of_a_power_is_found(factor: float, power: float) -> None:
    sizes = (1, 10, 100, 1000)
    found = growth_exponent(sizes, [factor * size**power for size in sizes])
    assert found == pytest.approx(power, abs=1e-6)


def test_a_slope_is_what_each_further_one_adds() -> None:
    assert slope((1, 10, 100), (102, 120, 300)) == pytest.approx(2)


@given(st.integers(1, 5000))
def test_sizes_grow_by_ten_up_to_the_largest(largest: int) -> None:
    found = sizes_up_to(largest)
    assert found[0] == 1
    assert found[-1] == largest
    assert list(found) == sorted(set(found))


def test_verbs_that_read_come_first() -> None:
    assert in_order({"patch": 1, "foo": 2, "get": 3}) == [("get", 3), ("patch", 1), ("foo", 2)]


def test_usage_is_read_from_metrics() -> None:
    used = Usage.from_metrics(METRICS, cpu_seconds=2.5)
    assert (used.reconciliations, used.reads, used.writes) == (4, 8, 5)
    assert used.by_verb == {"create": 5, "list": 8}
    assert used.since(used) == Usage()
    half = used.divided_by(2)
    assert (half.cpu_seconds, half.reads, half.reconciliations) == (1.25, 4, 2)


def test_the_page_is_written_between_its_marks_only() -> None:
    text = f"# Performance\n\n{page.BEGIN}\nold\n{page.END}\nafter\n"
    once = page.update(text, [RESULT], MACHINE)
    assert once == page.update(once, [RESULT], MACHINE)
    assert once.startswith("# Performance\n")
    assert once.endswith(f"{page.END}\nafter\n")
    assert "old" not in once
    assert "| CPU | 1 s | 1.5 s | 3 | bare writer: 0.25 s | 4 |" in once
    assert "| reconciliations | 3 | - | 1 | - | - |" in once
    assert "| one | get 2.5, create 118 |" in once
    assert "| at rest | none |" in once
    assert "2 of a \\| b" in once


def test_a_page_without_marks_is_not_written() -> None:
    with pytest.raises(ValueError, match="the page has no marks"):
        page.update("# Performance\n", [RESULT], MACHINE)
