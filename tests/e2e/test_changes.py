"""Changes while clients ask without pause: what they miss, and what arrives.

Services of which two can run at a time miss nothing. Of the others, the interruption is shown, and
ends; docs/high-availability.md tells how long they took.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.cluster.kind.cluster import KindCluster
from tests.cluster.waiting import wait_until
from tests.e2e.conftest import CHART, FAILED, OPERATOR, wildcard
from tests.e2e.images.release import images_of_release, name_of
from tests.e2e.outside import Outside
from tests.e2e.person import Person, register
from tests.e2e.platforms import Platform, now
from tests.e2e.watching import STATELESS, Watch, watcher
from tests.unit.pki.chains import Link


@pytest.fixture(scope="module")
def person(outside: Outside, two_cores: Platform) -> Person:
    """Somebody on the first core."""
    return register(outside, two_cores.domain, "co1")


@pytest.fixture(autouse=True)
def restored_after_a_failure(request: pytest.FixtureRequest, two_cores: Platform) -> Iterator[None]:
    """The next test begins with a platform that is Ready, whatever this one has found."""
    spec = two_cores.get("pryvplatform", two_cores.name)["spec"]
    yield
    if request.node.stash.get(FAILED, False):
        two_cores.replace(spec)
        two_cores.wait_ready()


@pytest.fixture
def watch(
    outside: Outside,
    two_cores: Platform,
    person: Person,
    cluster_echo: Callable[[str], None],
) -> Watch:
    """Clients of every service while a context is open; tells what they missed."""
    return watcher(outside, two_cores, person, cluster_echo)


def test_platform_name(two_cores: Platform, person: Person, watch: Watch) -> None:
    """The service register is replaced, and then what has read the name from it."""
    name = f"Acme {now()}"
    with watch("PLATFORM_NAME") as seen:
        two_cores.change(variables={"PLATFORM_NAME": name})
    assert not seen.lost(*STATELESS, "accounts")
    assert person.read()["name"] == name


@pytest.mark.parametrize(
    ("role", "component", "label"),
    [("reg-master", "register", "reg/register"), ("core", "core", "co1/core")],
    ids=["register", "core"],
)
def test_image_that_does_not_exist_is_held(
    role: str, component: str, label: str, two_cores: Platform, watch: Watch
) -> None:
    """The new pod of register never becomes Ready; that of core is not made: it would be alone."""
    image = "pryv-operator.test/none:1"
    with watch(f"an image of {component} that does not exist") as seen:
        before = two_cores.pods()
        two_cores.patch(
            rollout={"progressDeadlineSeconds": 20},
            roles={role: {"components": {component: {"image": image}}}},
        )
        message = two_cores.wait_reason("RolloutHeld")
        assert label in message
        assert image in message
        as_before = {component: {"image": None}}
        two_cores.change(rollout=None, roles={role: {"components": as_before}})
    assert not any(missed.failed for missed in seen.missed.values()), seen
    assert before.keys() <= two_cores.pods().keys()


@pytest.mark.long
def test_images_change(two_cores: Platform, person: Person, watch: Watch) -> None:
    """As with a new release of Pryv.io: the images are others, and the data are the same."""
    cluster = two_cores.cluster
    if not cluster.is_of_kind:
        pytest.skip("needs the containers of the nodes")
    images = {name_of(image): image for image in images_of_release()}
    changed = {"register": "reg-master", "dns": "reg-master", "core": "core"}
    cluster.name_images({_changed_image(name): images[name] for name in changed})
    before, data = two_cores.pods(), person.read()
    with watch("other images of register, dns and core") as seen:
        two_cores.change(roles=_with_images(changed, _changed_image))
    assert not seen.lost(*STATELESS, "accounts")
    assert not before.keys() & two_cores.pods_of(two_cores.pods(), "co2/core")
    assert person.read() == data
    two_cores.change(roles=_with_images(changed, lambda _: None))


def _changed_image(name: str) -> str:
    return f"pryv-operator.test/{name}:2"


def _with_images(
    components: Mapping[str, str], image: Callable[[str], str | None]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Overrides of images in roles, by component and its role."""
    roles: dict[str, dict[str, dict[str, Any]]] = {}
    for name, role in components.items():
        roles.setdefault(role, {"components": {}})["components"][name] = {"image": image(name)}
    return roles


@pytest.mark.long
def test_certificate_is_renewed(
    two_cores: Platform, outside: Outside, authority: Link, watch: Watch
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
def test_upload_size(two_cores: Platform, watch: Watch) -> None:
    with watch("MAX_UPLOAD_SIZE_MB") as seen:
        two_cores.change(variables={"MAX_UPLOAD_SIZE_MB": 60})
    assert not seen.lost(*STATELESS, "accounts")


@pytest.mark.long
def test_a_value_that_core_dies_on_is_rolled_back(
    two_cores: Platform, person: Person, watch: Watch
) -> None:
    with watch("a value that core dies on") as seen:
        env = [{"name": "database__port", "value": "1"}]
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
def test_secrets_change_at_both_ends(two_cores: Platform, outside: Outside, watch: Watch) -> None:
    """The service register checks the key that core sends when somebody registers."""
    with watch("another system key") as seen:
        key = {"REGISTER_SYSTEM_KEY_1": {"generate": {"rotation": 1}}}
        two_cores.change(secrets=key)
    assert not seen.lost("slave", "pages", "register", "dns")
    assert register(outside, two_cores.domain, "co2").read()["events"] == 2


@pytest.mark.long
def test_a_core_comes_and_goes(two_cores: Platform, outside: Outside, watch: Watch) -> None:
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
def test_restart(two_cores: Platform, watch: Watch) -> None:
    before = two_cores.pods()
    restarted = ("reg/register", "reg/dns", "reg/reverse-proxy", "sw/reverse-proxy")
    with watch("restart of what is stateless") as seen:
        two_cores.annotate("pryv.io/restart", f"{','.join(restarted)}@{now()}")
        two_cores.wait_changed(restarted, before)
    assert not seen.lost(*STATELESS, "accounts", "core", "hfs")


@pytest.mark.long
def test_redis_is_replaced(two_cores: Platform, watch: Watch) -> None:
    """What needs it waits in the relays of its clients."""
    before = two_cores.pods()
    with watch("restart of redis") as seen:
        two_cores.annotate("pryv.io/restart", f"reg/redis@{now()}")
        two_cores.wait_changed(("reg/redis",), before)
    assert not seen.lost("register", "dns", "slave", "pages", "core", "hfs")


@pytest.mark.long
def test_operator_is_upgraded(installed: KindCluster, two_cores: Platform, watch: Watch) -> None:
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
