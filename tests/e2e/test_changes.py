"""Changes while clients ask without pause: what they miss, and what arrives.

Services of which two can run at a time miss nothing. Of the others, the interruption is shown, and
ends; docs/operate.md tells how long they took.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

import pytest

from tests.cluster.control_plane import KubectlError
from tests.cluster.kind.cluster import KindCluster
from tests.cluster.waiting import wait_until
from tests.e2e.conftest import CHART, OPERATOR, wildcard
from tests.e2e.outside import Outside
from tests.e2e.person import Person, register
from tests.e2e.platforms import Platform, now
from tests.e2e.traffic import Traffic, traffic
from tests.unit.pki.chains import Link

#: Services of which two run at a time while one is replaced.
STATELESS: Final = ("register", "dns", "slave", "pages")
#: Requests a second to what is away while it is replaced. On two CPUs, more of them would keep it
#: from starting.
_SINGLE: Final = 5
_Watch = Callable[[str], AbstractContextManager[Traffic]]


@pytest.fixture(scope="module")
def person(outside: Outside, two_cores: Platform) -> Person:
    """Somebody on the first core."""
    return register(outside, two_cores.domain, "co1")


@pytest.fixture
def watch(
    outside: Outside,
    two_cores: Platform,
    person: Person,
    cluster_echo: Callable[[str], None],
) -> _Watch:
    """Clients of every service while the context is open; tells what they missed."""

    @contextmanager
    def watching(change: str) -> Iterator[Traffic]:
        wait_until(lambda: _answers(person), "all services to answer", seconds=120, every=1)
        wait_until(two_cores.is_settled, "replaced pods to be gone", seconds=120, every=1)
        cluster_echo(f"clients ask without pause: {change}")
        with traffic(outside, list(_targets(two_cores, person))) as seen:
            yield seen
        cluster_echo(f"{change}: {seen}")

    return watching


def _answers(person: Person) -> bool:
    try:
        return bool(person.read())
    except KubectlError:
        return False


def _targets(platform: Platform, person: Person) -> Iterator[Mapping[str, Any]]:
    domain, reg, core = platform.domain, platform.address("reg"), platform.address("co1")
    account = f"https://{person.username}.{domain}"
    series = json.loads(person.ids)["series"]
    headers = {"Authorization": person.token}
    yield {"name": "register", "url": f"https://reg.{domain}/service/info", "address": reg}
    yield {"name": "accounts", "url": f"https://reg.{domain}/x1234/check_username", "address": reg}
    sw = platform.address("sw")
    yield {"name": "pages", "url": f"https://sw.{domain}/access/register.html", "address": sw}
    yield {"name": "dns", "dns": f"reg.{domain}", "address": platform.address("reg", udp=True)}
    slave = platform.address("reg-slave", udp=True)
    yield {"name": "slave", "dns": f"reg.{domain}", "address": slave}
    events = f"{account}/events?limit=1"
    yield {"name": "core", "url": events, "address": core, "headers": headers, "rate": _SINGLE}
    points = f"{account}/events/{series}/series"
    yield {"name": "hfs", "url": points, "address": core, "headers": headers, "rate": _SINGLE}


def test_platform_name(two_cores: Platform, person: Person, watch: _Watch) -> None:
    """The service register is replaced, and then what has read the name from it."""
    name = f"Acme {now()}"
    with watch("PLATFORM_NAME") as seen:
        two_cores.change(variables={"PLATFORM_NAME": name})
    assert not seen.lost(*STATELESS, "accounts")
    assert person.read()["name"] == name


def test_image_that_does_not_exist_is_held(two_cores: Platform, watch: _Watch) -> None:
    component = {"register": {"image": "pryv-operator.test/none:1"}}
    with watch("an image that does not exist") as seen:
        before = two_cores.pods()
        two_cores.patch(
            rollout={"progressDeadlineSeconds": 20},
            roles={"reg-master": {"components": component}},
        )
        message = two_cores.wait_reason("RolloutHeld")
        assert "reg/register" in message
        assert "pryv-operator.test/none:1" in message
        as_before = {"register": {"image": None}}
        two_cores.change(rollout=None, roles={"reg-master": {"components": as_before}})
    assert not any(missed.failed for missed in seen.missed.values()), seen
    assert before.keys() <= two_cores.pods().keys()


@pytest.mark.long
def test_certificate_is_renewed(
    two_cores: Platform, outside: Outside, authority: Link, watch: _Watch
) -> None:
    before = {host: _serial(outside, host, two_cores) for host in ("reg", "co1", "co2", "sw")}
    assert all(before.values())
    with watch("a new certificate") as seen:
        two_cores.apply(wildcard(authority, two_cores.domain))

        def renewed() -> bool:
            now = {host: _serial(outside, host, two_cores) for host in before}
            return all(now[host] not in ("", old) for host, old in before.items())

        wait_until(renewed, "all hosts to show the new certificate", seconds=300, every=1)
        two_cores.wait_ready()
    assert not any(missed.failed for missed in seen.missed.values()), seen


def _serial(outside: Outside, host: str, platform: Platform) -> str:
    """That of the certificate that a TLS client sees; empty if it sees none."""
    name = f"{host}.{platform.domain}"
    connect = f"openssl s_client -connect {name}:443 -servername {name} </dev/null 2>/dev/null"
    return outside.run("sh", "-c", f"{connect} | openssl x509 -noout -serial || true")


@pytest.mark.long
def test_upload_size(two_cores: Platform, watch: _Watch) -> None:
    with watch("MAX_UPLOAD_SIZE_MB") as seen:
        two_cores.change(variables={"MAX_UPLOAD_SIZE_MB": 60})
    assert not seen.lost(*STATELESS, "accounts")


@pytest.mark.long
def test_a_value_that_core_dies_on_is_rolled_back(
    two_cores: Platform, person: Person, watch: _Watch
) -> None:
    with watch("a value that core dies on") as seen:
        env = [{"name": "DATABASE__PORT", "value": "1"}]
        two_cores.patch(
            rollout={"onFailure": "Rollback", "progressDeadlineSeconds": 45},
            roles={"core": {"components": {"core": {"env": env}}}},
        )
        assert "core" in two_cores.wait_reason("RolledBack")
        as_before = {"core": {"env": None}}
        two_cores.change(rollout=None, roles={"core": {"components": as_before}})
    assert not seen.lost(*STATELESS, "accounts")
    assert person.read()["attachment"] == "attached"


@pytest.mark.long
def test_secrets_change_at_both_ends(two_cores: Platform, outside: Outside, watch: _Watch) -> None:
    """The service register checks the key that core sends when somebody registers."""
    with watch("another system key") as seen:
        key = {"REGISTER_SYSTEM_KEY_1": {"generate": {"rotation": 1}}}
        two_cores.change(secrets=key)
    assert not seen.lost("slave", "pages", "register", "dns")
    assert register(outside, two_cores.domain, "co2").read()["events"] == 2


@pytest.mark.long
def test_a_core_comes_and_goes(two_cores: Platform, outside: Outside, watch: _Watch) -> None:
    core = two_cores.get("pryvplatform", two_cores.name)["spec"]["roles"]["core"]
    more = [*core["instances"], {"name": "co3", "hosting": "geneva"}]
    with watch("a third core comes") as seen:
        two_cores.change(roles={"core": {"instances": more}})
    assert not seen.lost(*STATELESS, "accounts")
    third = register(outside, two_cores.domain, "co3")
    assert third.read()["core"] == f"co3.{two_cores.domain}"
    with watch("the third core goes") as seen:
        two_cores.change(roles={"core": core})
    assert not seen.lost(*STATELESS, "accounts")
    claims = two_cores.get("persistentvolumeclaims")["items"]
    assert any(each["metadata"]["name"].startswith("acme-co3-") for each in claims)


@pytest.mark.long
def test_restart(two_cores: Platform, watch: _Watch) -> None:
    before = two_cores.pods()
    restarted = ("reg/register", "reg/dns", "reg/reverse-proxy", "sw/reverse-proxy")
    with watch("restart of what is stateless") as seen:
        two_cores.annotate("pryv.io/restart", f"{','.join(restarted)}@{now()}")
        two_cores.wait_changed(restarted, before)
    assert not seen.lost(*STATELESS, "accounts", "core", "hfs")


@pytest.mark.long
def test_redis_is_replaced(two_cores: Platform, watch: _Watch) -> None:
    """Names of the platform itself are served without it."""
    before = two_cores.pods()
    with watch("restart of redis") as seen:
        two_cores.annotate("pryv.io/restart", f"reg/redis@{now()}")
        two_cores.wait_changed(("reg/redis",), before)
    assert not seen.lost("register", "dns", "slave", "pages", "core", "hfs")


@pytest.mark.long
def test_operator_is_upgraded(installed: KindCluster, two_cores: Platform, watch: _Watch) -> None:
    with watch("an upgrade of the operator") as seen:
        before = two_cores.pods()
        installed.helm(
            *("upgrade", "pryv-operator", str(CHART), f"--namespace={OPERATOR}"),
            *("--reuse-values", f"--set-string=podAnnotations.upgraded={now()}"),
            *("--wait", "--timeout=3m"),
        )
        two_cores.annotate("pryv.io/reconcile", now())
        two_cores.wait_ready()
    assert not any(missed.failed for missed in seen.missed.values()), seen
    assert two_cores.pods() == before
