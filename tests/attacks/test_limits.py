"""Input that costs time or memory, in the processes that compute it: see docs/secure.md."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pryv_operator.api.spec import Archive
from pryv_operator.child_processes.limits import LimitExceededError, ProcessLimits
from pryv_operator.child_processes.pool import ChildProcesses
from pryv_operator.desired.inputs import Inputs
from pryv_operator.desired.state import Desired, compute_desired
from pryv_operator.templates.builtin import load_release
from pryv_operator.templates.bundle import Bundle
from pryv_operator.templates.user_templates import read_archive
from tests.unit.builders import inputs, platform
from tests.unit.templates.archives import release_files, tgz

#: As in the operator, with less CPU time and without a deadline that a busy machine reaches.
LIMITS = ProcessLimits(cpu_seconds=4, deadline_seconds=600)
#: MiB that the operator's own process may grow by, whatever a template does.
ROOM = 48

#: Templates that each cost seconds to minutes, or hundreds of MiB, without limits.
TEMPLATES = {
    "rounding": "{{ 1|round(-30000000) }}",
    "rounding to many digits": "{{ 1|round(-3000000000) }}",
    "list doubled 20 times": "{% set n = namespace(x=[1]) %}{% for i in range(20) %}"
    "{% set n.x = n.x + n.x %}{% endfor %}{{ n.x|length }}",
    "list doubled 30 times": "{% set n = namespace(x=[1]) %}{% for i in range(30) %}"
    "{% set n.x = n.x + n.x %}{% endfor %}{{ n.x|length }}",
    "text doubled 40 times": "{% set n = namespace(x='a') %}{% for i in range(40) %}"
    "{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}",
    "list literal": "{{ [" + "1," * 65_000 + "]|length }}",
    "map literal": "{{ {" + ",".join(f"'a{i}':{i}" for i in range(11_000)) + "}|length }}",
    "padding": "{{ '{:1000000000}'.format(1) }}",
    "power": "{{ 9**9**9 }}",
    "nesting": "{{ " + "[" * 30_000 + "]" * 30_000 + " }}",
    "calls": "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}"
    "{{ m(40) }}",
    "loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "expressions": "{{ 1 }}" * 18_000,
}


def hostile(template: str, paths: int) -> Inputs:
    """A platform with a template under several paths."""
    files = {f"core/conf/{number}.txt.j2": template.encode() for number in range(paths)}
    return replace(inputs(platform()), bundle=load_release().with_files({"core": files}))


@pytest.mark.parametrize("paths", [1, pytest.param(60, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", TEMPLATES)
def test_costly_templates_end_within_the_limits(name: str, paths: int) -> None:
    async def run() -> tuple[str, float]:
        children = ChildProcesses(LIMITS)
        before, began = _peak(), _child_seconds()
        try:
            found = await children.run("hostile", compute_desired, hostile(TEMPLATES[name], paths))
            got = (
                "; ".join(f"{each.reason}: {each.message}" for each in found.problems) or "rendered"
            )
        except LimitExceededError as error:
            got = f"LimitExceeded: {error}"
        await children.close()
        assert _peak() - before < ROOM
        return got, _child_seconds() - began

    got, seconds = asyncio.run(run())
    assert got == "rendered" or got.startswith(("LimitExceeded: ", "TemplateFailed: ")), got
    assert len(got) < 1000
    limit = LIMITS.short_cpu_seconds + LIMITS.cpu_seconds
    assert seconds < limit + 2 * 3, "with the start of two processes"


def test_a_neighbour_is_answered_meanwhile() -> None:
    """Twenty calls of one namespace that each cost the whole limit, and one of another."""

    async def run() -> None:
        children = ChildProcesses(LIMITS)
        attacks = [
            asyncio.create_task(children.run("hostile", compute_desired, hostile(each, 1)))
            for each in (f"{{{{ 1|round(-3000000{number:02}) }}}}" for number in range(20))
        ]
        found: Desired = await children.run("neighbour", compute_desired, inputs(platform()))
        assert found.complete
        assert sum(task.done() for task in attacks) <= 1
        for task in attacks:
            task.cancel()
        await asyncio.gather(*attacks, return_exceptions=True)
        await children.close()

    asyncio.run(run())


def archives(shared_pryv: Path) -> Iterator[Bundle]:
    releases = shared_pryv / "releases"
    source = Archive.model_validate({"configMapKeyRef": {"name": "templates", "key": "a.tgz"}})
    for release in sorted(each.name for each in releases.iterdir() if each.is_dir()):
        content = tgz(release_files(releases, release))
        found = read_archive(source, {("ConfigMap", "templates"): {"a.tgz": content}})
        assert isinstance(found, Bundle), (release, found)
        yield found


def test_honest_archives_are_computed_as_without_limits(shared_pryv: Path) -> None:
    """The largest honest input has room: it needs a third of what each limit allows."""
    tight = ProcessLimits(
        address_space=LIMITS.address_space * 2 // 3,
        cpu_seconds=LIMITS.cpu_seconds // 2,
        deadline_seconds=600,
        result_size=LIMITS.result_size // 3,
    )

    async def run() -> int:
        children = ChildProcesses(tight)
        count = 0
        for bundle in archives(shared_pryv):
            given = replace(inputs(platform()), bundle=bundle)
            assert await children.run("a", compute_desired, given) == compute_desired(given)
            count += 1
        given = inputs(
            platform(roles={"core": {"instances": [{"name": f"co{n}"} for n in range(1, 17)]}})
        )
        assert await children.run("a", compute_desired, given) == compute_desired(given)
        await children.close()
        return count

    assert asyncio.run(run()) >= 5


def _peak() -> int:
    """MiB of this process at its highest."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _child_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
