"""Problems: reported in the status, without effect on running pods, resolved once repaired."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.platforms import POLL_SECONDS, PlatformUser
from tests.cluster.waiting import wait_until

TWO_CORES = [{"name": "co1"}, {"name": "co2"}]
#: Templates of one's own: the keys of a ConfigMap, and what a spec says of them.
COMPOSE = (
    "services:\n  {name}:\n    image: registry.acme.test/{name}:1\n"
    "    volumes:\n    - ./{name}/conf/:/app/conf/:ro\n"
)
OWN = {"reg-master": "register", "core": "core", "static": "web"}
TEMPLATES = {f"{name}.yml": COMPOSE.replace("{name}", name) for name in OWN.values()} | {
    "conf": '{\n "port": 9000,\n "name": "PLATFORM_NAME"\n}\n'
}
FILES: list[dict[str, Any]] = [
    {
        "role": role,
        "configMapRef": {"name": "mine"},
        "items": [{"key": f"{name}.yml", "path": "pryv.yml"}],
    }
    for role, name in OWN.items()
]
FILES[0]["items"].append({"key": "conf", "path": "register/conf/register.json"})
WRONG: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    "missing variables": (
        {"variables": {"PLATFORM_NAME": "REPLACE_ME", "SUPPORT_URL": "REPLACE_ME"}},
        "MissingVariables",
        ("PLATFORM_NAME", "SUPPORT_URL"),
    ),
    "missing Secret": (
        {"secrets": {"REGISTER_ADMIN_KEY": {"secretKeyRef": {"name": "nowhere", "key": "key"}}}},
        "SecretNotFound",
        ("REGISTER_ADMIN_KEY", "nowhere"),
    ),
    "unknown key": (
        {"secrets": {"REGISTER_ADMIN_KEY": {"secretKeyRef": {"name": "there", "key": "wrong"}}}},
        "SecretKeyNotFound",
        ("REGISTER_ADMIN_KEY", "there", "wrong", "right"),
    ),
    "recursion": (
        {"variables": {"PLATFORM_NAME": "SUPPORT_URL", "SUPPORT_URL": "PLATFORM_NAME"}},
        "RecursionLoop",
        ("PLATFORM_NAME", "SUPPORT_URL"),
    ),
    "wrong type": (
        {"variables": {"MAX_UPLOAD_SIZE_MB": "a lot"}},
        "InvalidVariable",
        ("MAX_UPLOAD_SIZE_MB",),
    ),
    "broken file": (
        {"variables": {"ACCOUNT_SYSTEM_STREAMS": '[{"id": "unfinished'}},
        "DoesNotParse",
        ("core",),
    ),
    "template of one's own that yields broken JSON": (
        {"templates": {"files": FILES}, "variables": {"PLATFORM_NAME": 'The "Acme"'}},
        "DoesNotParse",
        ("reg-master", "register/conf/register.json", "line 3"),
    ),
    "two names of one": (
        {"variables": {"SUPPORT_URL": "https://a.test", "SUPPORT_LINK": "https://b.test"}},
        "DuplicateVariable",
        ("SUPPORT_URL", "SUPPORT_LINK"),
    ),
    "not scalable": (
        {"roles": {"core": {"components": {"mongodb": {"replicas": 3}}}}},
        "NotScalable",
        ("spec.roles.core.components.mongodb.replicas",),
    ),
    "refused by the API server": (
        {
            "roles": {
                "core": {
                    "components": {"mfa": {"tolerations": [{"key": "x", "operator": "Sometimes"}]}}
                }
            }
        },
        "Rejected",
        ("acme-co1-mfa", "Sometimes"),
    ),
    "refused together with a Service that is changed": (
        {
            "roles": {
                "reg-master": {"service": {"annotations": {"example.com/a": "b"}}},
                "core": {
                    "components": {"mfa": {"tolerations": [{"key": "x", "operator": "Sometimes"}]}}
                },
            }
        },
        "Rejected",
        ("acme-co1-mfa", "Sometimes"),
    ),
    "no field of a pod": (
        {"roles": {"core": {"components": {"mfa": {"tolerations": [{"key": "x", "keyy": "x"}]}}}}},
        "Rejected",
        ("acme-co1-mfa", "keyy"),
    ),
    "affinity of another kind": (
        {"roles": {"core": {"components": {"core": {"affinity": {"podAffinity": "x"}}}}}},
        "InvalidAffinity",
        ("spec.roles.core.components.core.affinity",),
    ),
    "one claim for two cores": (
        {
            "roles": {
                "core": {
                    "instances": [{"name": "co1"}, {"name": "co2"}],
                    "components": {"mongodb": {"storage": {"existingClaim": "x"}}},
                }
            }
        },
        "PVCShared",
        ("co1/mongodb", "co2/mongodb"),
    ),
    "two spellings of a component": (
        {
            "roles": {
                "core": {
                    "components": {
                        "reverse_proxy": {"replicas": 2},
                        "reverse-proxy": {"replicas": 3},
                    }
                }
            }
        },
        "DuplicateComponent",
        ("reverse_proxy", "reverse-proxy"),
    ),
    "e-mails without a server": (
        {"variables": {"EMAIL_ACTIVATION": {"welcome": True}}},
        "MissingVariables",
        ("EMAIL_SMTP_SETTINGS.host", "EMAIL_SMTP_SETTINGS.auth.pass"),
    ),
    "node ports without an address": (
        {"roles": {"static": {"service": {"type": "NodePort"}}}},
        "AddressRequired",
        ("spec.roles.static.address",),
    ),
}


#: What the others have in common with these is tried by --long.
OFTEN = (
    "missing variables",
    "missing Secret",
    "unknown key",
    "recursion",
    "broken file",
    "refused by the API server",
    "refused together with a Service that is changed",
)


@pytest.fixture
def running(shared_platform: PlatformUser) -> PlatformUser:
    """A platform that is Ready; each test leaves it Ready."""
    shared_platform.secret("there", right="value")
    shared_platform.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}, "data": TEMPLATES}
    )
    shared_platform.apply_and_wait()
    return shared_platform


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=() if case in OFTEN else pytest.mark.long) for case in WRONG]
)
def test_problem_is_reported_and_nothing_is_changed(running: PlatformUser, case: str) -> None:
    spec, reason, words = WRONG[case]
    before, pods = running.digests(), running.pods()
    running.apply_platform(**spec)
    condition = running.wait_not_ready()
    assert condition["reason"] == reason, condition
    assert all(word in condition["message"] for word in words), condition
    (row,) = running.kubectl("get", "pryvplatforms", "-o", "wide", "--no-headers").splitlines()
    assert condition["reason"] in row.split()
    assert condition["message"][:40] in row
    assert running.digests() == before
    running.apply_and_wait()
    assert running.pods() == pods


def test_created_secret_resolves_the_problem(running: PlatformUser) -> None:
    before = running.digests()
    running.apply_platform(
        secrets={"REGISTER_ADMIN_KEY": {"secretKeyRef": {"name": "late", "key": "key"}}}
    )
    running.wait_reason("SecretNotFound")
    assert running.digests() == before
    running.secret("late", key="value")
    running.wait_ready()


def test_bad_image_is_reported_and_a_good_one_repairs_it(running: PlatformUser) -> None:
    """Also of a StatefulSet: its pod is replaced although it never became Ready."""
    pods = running.pods()
    components = {
        "redis": {"image": "docker.io/pryvio/redis:does-not-exist"},
        "register": {"image": "docker.io/pryvio/register:crash"},
    }
    running.apply_platform(roles={"reg-master": {"components": components}})
    condition = wait_for_failure(running, {"ImagePullBackOff", "CrashLoopBackOff"})
    assert condition["status"] == "False"
    running.apply_and_wait()
    after = running.pods()
    assert {name for name in pods if pods[name] != after[name]} <= {"reg/redis", "reg/register"}


@pytest.mark.parametrize(
    ("spec", "reason", "words"),
    [
        (
            {"image": "docker.io/pryvio/mail:does-not-exist"},
            "ImagePullBackOff",
            ("reg/mail", "does-not-exist"),
        ),
        pytest.param(
            {"image": "docker.io/pryvio/mail:crash"},
            "CrashLoopBackOff",
            ("reg/mail", "exit code 1"),
            marks=pytest.mark.long,
        ),
        pytest.param(
            {"image": "docker.io/pryvio/mail:waits-for-mount"},
            "FailedMount",
            ("reg/mail", "volume"),
            marks=pytest.mark.long,
        ),
        ({"nodeSelector": {"no.such/label": "x"}}, "Unschedulable", ("reg/mail",)),
        pytest.param(
            {"resources": {"requests": {"cpu": "1000"}}},
            "Unschedulable",
            ("reg/mail",),
            marks=pytest.mark.long,
        ),
    ],
)
def test_reason_is_the_reason_of_the_pod(
    running: PlatformUser, spec: dict[str, Any], reason: str, words: tuple[str, ...]
) -> None:
    running.apply_platform(roles={"reg-master": {"components": {"mail": spec}}})
    condition = wait_for_failure(running, {reason})
    assert all(word in condition["message"] for word in words), condition
    assert reason in running.kubectl("get", "pryvplatforms")
    running.apply_and_wait()


def another_core(name: str, **components: Any) -> dict[str, Any]:
    """Add a core, which has no objects yet, to running ones."""
    return {"core": {"instances": [{"name": "co1"}, {"name": name}], "components": components}}


def test_pvc_without_provisioner(running: PlatformUser) -> None:
    storage = {"storage": {"storageClassName": "simulated-never"}}
    running.apply_platform(roles=another_core("co7", mongodb=storage))
    condition = wait_for_failure(running, {"PVCPending"}, "acme-co7-mongodb-data")
    for named in ('"simulated-never"', '"simulated.pryv.io/nobody"'):
        assert named in condition["message"]


def test_platforms_with_one_domain_warn_each_other(running: PlatformUser) -> None:
    running.apply_platform("zeta", stopped=True)
    assert 'platform "acme"' in running.wait_warning("DomainInUse", "zeta")
    assert 'platform "zeta"' in running.wait_warning("DomainInUse")
    running.delete("pryvplatform", "zeta")

    def reasons() -> set[str]:
        warnings = running.get("pryvplatform", "acme")["status"].get("warnings", [])
        return {each["reason"] for each in warnings}

    wait_until(lambda: "DomainInUse" not in reasons(), "no warning", seconds=60)


@pytest.mark.long
def test_pod_security_that_admits_no_pod(running: PlatformUser) -> None:
    level = "pod-security.kubernetes.io/enforce"
    label_namespace(running, level, "restricted")
    try:
        running.apply_platform(roles=another_core("co8"))
        condition = wait_for_failure(running, {"FailedCreate"})
        assert "PodSecurity" in condition["message"]
    finally:
        label_namespace(running, level, None)
    running.wait_ready(seconds=180)


def label_namespace(user: PlatformUser, label: str, value: str | None) -> None:
    user.control_plane.api.patch(
        f"/api/v1/namespaces/{user.namespace}", {"metadata": {"labels": {label: value}}}
    )


def test_quota_that_admits_no_pod(running: PlatformUser) -> None:
    running.apply(
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "small"},
            "spec": {"hard": {"pods": "3"}},
        }
    )
    try:
        running.apply_platform(roles=another_core("co9"))
        condition = wait_for_failure(running, {"FailedCreate"})
        assert "quota" in condition["message"]
    finally:
        running.delete("resourcequota", "small")


@pytest.mark.long
def test_quota_that_admits_no_object(user: PlatformUser) -> None:
    user.apply(
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "small"},
            "spec": {"hard": {"persistentvolumeclaims": "2"}},
        }
    )
    user.apply_platform()
    condition = wait_for_failure(user, {"Forbidden"})
    assert "quota" in condition["message"]
    assert not user.list("deployments,statefulsets")
    user.delete("resourcequota", "small")
    user.wait_ready()


@pytest.mark.long
def test_pvc_can_be_expanded_but_not_shrunk(user: PlatformUser) -> None:
    """An impossible change of a PVC is reported and blocks nothing else."""
    size = "acme-co1-mongodb-data"

    def mongodb(storage: dict[str, str]) -> dict[str, Any]:
        return {"core": {"components": {"mongodb": {"storage": storage}}}}

    user.apply_platform(roles=mongodb({"size": "30Gi"}))
    user.wait_ready()
    before = user.pods()
    user.apply_platform(
        roles=mongodb({"size": "10Gi", "storageClassName": "another"}),
        variables={"PLATFORM_NAME": "x"},
    )
    user.wait_rolled(before, {"reg/register", "reg/dns"})
    user.wait_ready()  # an edit of the spec: this is of no pass before it
    warnings = [
        each
        for each in user.get("pryvplatform", "acme")["status"]["warnings"]
        if size in each["message"]
    ]
    assert {each["reason"] for each in warnings} == {"PVCSizeUnchanged", "PVCStorageClassUnchanged"}
    assert user.get("pvc", size)["spec"]["resources"]["requests"]["storage"] == "30Gi"
    user.apply_platform(roles=mongodb({"size": "40Gi"}))
    user.wait_ready()
    assert user.get("pvc", size)["spec"]["resources"]["requests"]["storage"] == "40Gi"


@pytest.mark.long
def test_quota_that_admits_no_secret(user: PlatformUser) -> None:
    user.apply(
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "small"},
            "spec": {"hard": {"secrets": "2"}},
        }
    )
    user.apply_platform()
    condition = wait_for_failure(user, {"Forbidden"})
    assert "quota" in condition["message"]
    user.delete("resourcequota", "small")
    user.wait_ready()


@pytest.mark.parametrize(
    "name", ["acme-generated-register-admin-key", "acme-hash-key", "acme-private-ca-1"]
)
def test_foreign_secret_is_not_used(user: PlatformUser, name: str) -> None:
    user.secret(name, x="y")
    user.apply_platform()
    condition = wait_for_failure(user, {"AdoptionRequired"})
    assert name in condition["message"]
    assert not user.list("deployments,statefulsets")


@pytest.mark.long
def test_secret_is_generated_once_the_foreign_one_is_gone(user: PlatformUser) -> None:
    user.secret("acme-hash-key", x="y")
    user.apply_platform()
    wait_for_failure(user, {"AdoptionRequired"})
    user.delete("secret", "acme-hash-key")
    user.wait_ready()


def wait_for_failure(user: PlatformUser, reasons: set[str], said: str = "") -> dict[str, Any]:
    """The Ready condition, once it has one of these reasons and this text in its message."""

    def found() -> dict[str, Any] | None:
        condition = user.condition()
        return (
            condition if condition["reason"] in reasons and said in condition["message"] else None
        )

    try:
        return wait_until(found, f"one of {reasons}", seconds=60, every=POLL_SECONDS)
    except TimeoutError:
        raise AssertionError(f"expected one of {reasons}, it is {user.condition()}") from None
