"""A Secret that many platforms of a namespace refer to changes; one of another namespace too."""

from __future__ import annotations

import time
from typing import Any, Final

from tests.api.platforms import PlatformUser
from tests.bench.at_sizes import GATHERING_SECONDS
from tests.bench.context import Context, echo
from tests.bench.platforms import is_ready, spec
from tests.bench.results import Measurement, Result
from tests.cluster.waiting import wait_until

_SECRET: Final = "smtp"
#: More platforms than this need no longer proof.
_MOST: Final = 500
_USED: Final = {"secrets": {"MAIL_SMTP_PASS": {"secretKeyRef": {"name": _SECRET, "key": "key"}}}}


def measure(context: Context) -> Result:
    """The platforms are stopped: what counts is how the operator shares its time."""
    size = min(context.options.platforms, _MOST)
    with (
        context.operator() as operator,
        context.fleet("sharing", 1) as shared,
        context.fleet("single", 1) as single,
    ):
        user, other = shared.user(0), single.user(0)
        user.secret(_SECRET, key="first")
        for number in range(size):
            user.replace_platform(_spec(number), f"p{number}")
        single.install(seconds=300, stopped=True)
        wait_until(
            lambda: _ready(user) == size,
            f"{size} platforms to be Ready",
            seconds=60 + 15 * size,
            every=1,
        )
        operator.wait_at_rest()
        echo(f"{size} platforms share a Secret")
        alone = patched_after(other, "Alone")
        operator.wait_at_rest()
        before, began = _generations(user), time.monotonic()
        during: list[float] = []

        def change() -> None:
            user.secret(_SECRET, key="second")
            time.sleep(2 * GATHERING_SECONDS)
            during.append(patched_after(other, "Meanwhile"))
            wait_until(
                lambda: _all_patched(before, _generations(user), size),
                "all platforms to be patched",
                seconds=60 + 10 * size,
                every=0.5,
            )

        stretch = operator.during(change)
        seconds = time.monotonic() - began
        echo(f"all patched after {stretch.seconds:.1f} s, at rest after {seconds:.1f} s")
    each = stretch.usage.divided_by(size)
    return Result(
        "shared-secret",
        "A shared Secret changes",
        (
            Measurement(
                "another platform is patched meanwhile, beyond the gathering second",
                "s",
                tuple(during),
                (alone,),
                "alone",
            ),
            Measurement(
                f"until all of {size} platforms are patched", "s", (stretch.seconds,),
                (alone * size,), "as many alone, one by one",
            ),
            Measurement("CPU of each platform", "s", (each.cpu_seconds,)),
            Measurement("reconciliations of each platform", "", (each.reconciliations,)),
        ),
        notes=("The platforms are stopped: they have no pods, and all other objects.",),
        requests={"each platform": each.by_verb},
    )  # fmt: skip


def _spec(number: int) -> dict[str, Any]:
    return spec(1000 + number, stopped=True, **_USED)


def _ready(user: PlatformUser) -> int:
    return sum(map(is_ready, user.list("pryvplatforms", None)))


def _generations(user: PlatformUser) -> dict[str, tuple[str, int]]:
    """Name of a Deployment → its platform and generation."""
    return {
        item["metadata"]["name"]: (
            item["metadata"]["labels"]["pryv.io/platform"],
            item["metadata"]["generation"],
        )
        for item in user.list("deployments")
    }


def _all_patched(
    before: dict[str, tuple[str, int]], now: dict[str, tuple[str, int]], size: int
) -> bool:
    changed = {found[0] for name, found in now.items() if before.get(name) != found}
    return len(changed) == size


def patched_after(user: PlatformUser, name: str) -> float:
    """Seconds from a change of PLATFORM_NAME to the patch of register, beyond the gathering."""
    before = user.get("deployment", "acme-reg-register")["metadata"]["generation"]
    started = time.monotonic()
    user.replace_platform(spec(0, stopped=True, variables={"PLATFORM_NAME": name}))
    wait_until(
        lambda: user.get("deployment", "acme-reg-register")["metadata"]["generation"] != before,
        "register to be patched",
        seconds=120,
        every=0.02,
    )
    return time.monotonic() - started - GATHERING_SECONDS
