"""Random actions of users, other clients and failures converge to a fresh install's state."""

from __future__ import annotations

import contextlib
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.api.operator_process import OperatorProcess
from tests.api.platforms import Object, PlatformUser
from tests.api.test_random_edits import differences, what_is_there
from tests.cluster.api_client import ApiError
from tests.cluster.waiting import wait_until
from tests.examples import seed_of_run

#: (histories, steps of each).
FEW, MANY = (1, 12), (4, 30)
_DELETED = (
    "services,configmaps,secrets,networkpolicies,deployments,statefulsets,pods,"
    "persistentvolumeclaims"
)
_IMAGES = ("does-not-exist", "crash", "1.9.3")
_COMPONENTS = (
    ("core", "hfs"),
    ("core", "mongodb"),
    ("reg-master", "mail"),
    ("static", "reverse_proxy"),
)
_INDEX = st.integers(0, 200)


class History(RuleBasedStateMachine):
    """One platform in one namespace. Its ``user`` and ``operator`` are set by the test."""

    user: PlatformUser
    operator: OperatorProcess

    @initialize()
    def install(self) -> None:
        """A platform with two cores."""
        self.user.secret("keys", admin="planted-admin-key-0")
        self.spec: Object = {
            "domain": "pryv.acme.test",
            "secrets": {"REGISTER_ADMIN_KEY": {"secretKeyRef": {"name": "keys", "key": "admin"}}},
            "rollout": {"progressDeadlineSeconds": 3, "onFailure": "Hold"},
            "variables": {},
            "roles": {"core": {"instances": [{"name": "co1"}, {"name": "co2"}]}},
        }
        self.images: dict[tuple[str, str], str] = {}
        self.apply()
        self.user.adopt()  # the Secrets that the history before has left

    def apply(self) -> None:
        """The current spec of the user."""
        roles: Object = {name: dict(role) for name, role in self.spec["roles"].items()}
        for (role, component), tag in self.images.items():
            components = roles.setdefault(role, {}).setdefault("components", {})
            components[component] = {"image": f"docker.io/pryvio/{component}:{tag}"}
        self.user.replace_platform({**self.spec, "roles": roles})

    @rule(name=st.sampled_from(["Acme", "Acme Health"]), size=st.sampled_from([20, 77]))
    def change_variables(self, name: str, size: int) -> None:
        self.spec["variables"] = {"PLATFORM_NAME": name, "MAX_UPLOAD_SIZE_MB": size}
        self.apply()

    @rule(value=st.integers(1, 3))
    def change_a_secret(self, value: int) -> None:
        self.user.secret("keys", admin=f"planted-admin-key-{value}")

    @rule(rotation=st.integers(0, 2))
    def rotate(self, rotation: int) -> None:
        self.spec["secrets"]["CORE_SYSTEM_KEY"] = {"generate": {"rotation": rotation}}
        self.apply()

    @rule(of=st.sampled_from(_COMPONENTS), tag=st.sampled_from(_IMAGES))
    def change_an_image(self, of: tuple[str, str], tag: str) -> None:
        self.images[of] = tag
        self.apply()

    @rule(policy=st.sampled_from(["Hold", "Rollback"]))
    def change_the_policy(self, policy: str) -> None:
        self.spec["rollout"]["onFailure"] = policy
        self.apply()

    @rule(cores=st.sampled_from([["co1"], ["co1", "co2"], ["co2"]]))
    def change_the_cores(self, cores: list[str]) -> None:
        self.spec["roles"]["core"]["instances"] = [{"name": name} for name in cores]
        self.apply()

    @rule(stopped=st.booleans(), paused=st.booleans())
    def stop_or_pause(self, stopped: bool, paused: bool) -> None:
        self.spec["stopped"] = stopped
        self.spec["rollout"]["paused"] = paused
        self.apply()

    @rule(meant=st.sampled_from(["all", "core", "static", "reg/mail"]), again=_INDEX)
    def restart_components(self, meant: str, again: int) -> None:
        self.user.annotate("pryvplatform", "acme", **{"pryv.io/restart": f"{meant}@{again}"})

    @rule(index=_INDEX)
    def delete_something(self, index: int) -> None:
        """Delete an object that can be recreated: not data, the hash key or the authority."""
        there = [
            item
            for item in self.user.list(_DELETED)
            if item["kind"] != "PersistentVolumeClaim" and not _kept(item)
        ]
        if there:
            item = there[index % len(there)]
            self.quietly("DELETE", item, {"propagationPolicy": "Background"})

    @rule(index=_INDEX, image=st.booleans())
    def edit_by_hand(self, index: int, image: bool) -> None:
        there = self.user.list("deployments,statefulsets")
        if there:
            item = there[index % len(there)]
            container = {"name": item["spec"]["template"]["spec"]["containers"][0]["name"]}
            change = (
                {"image": "docker.io/another/image:1"}
                if image
                else {"env": [{"name": "DEBUG", "value": "manual"}]}
            )
            try:
                patch = {"spec": {"template": {"spec": {"containers": [{**container, **change}]}}}}
                path = (
                    self.user.path(item["kind"], item["metadata"]["name"])
                    + "?fieldManager=other-client"
                )
                self.user.control_plane.api.patch(
                    path, patch, "application/strategic-merge-patch+json"
                )
            except ApiError:
                pass  # it is gone by now

    @rule(abruptly=st.booleans())
    def restart_the_operator(self, abruptly: bool) -> None:
        self.operator.restart(abruptly=abruptly)

    @rule()
    def wait_for_a_pass(self) -> None:
        self.user.wait_observed()

    def quietly(self, method: str, item: Object, body: Object) -> None:
        with contextlib.suppress(ApiError):  # it is gone by now
            self.user.control_plane.api.text(
                method, self.user.path(item["kind"], item["metadata"]["name"]), body
            )

    def teardown(self) -> None:
        """Wait for a steady state with a valid spec; compare with a fresh install of it."""
        if not hasattr(self, "spec"):
            return
        self.images = dict.fromkeys(self.images, "1.9.3")
        self.spec["stopped"], self.spec["rollout"]["paused"] = False, False
        self.spec["rollout"]["progressDeadlineSeconds"] = 600  # nothing is in haste any more
        self.apply()
        self.user.annotate("pryvplatform", "acme", **{"pryv.io/reconcile": "at the end"})
        self.user.wait_ready()
        self.user.wait_steady()
        lived = _without_traces(what_is_there(self.user))
        self.user.delete("pryvplatform", "acme")
        self.user.wait_gone("services,configmaps,networkpolicies,deployments,statefulsets,pods")
        self.apply()
        self.user.adopt()
        self.user.wait_ready()
        fresh = _without_traces(what_is_there(self.user))
        assert fresh.keys() == lived.keys()
        for name, item in lived.items():
            assert fresh[name] == item, (
                f"{name} of a fresh install against this one:\n"
                + "\n".join(differences(fresh[name], item))
            )
        self.user.delete("pryvplatform", "acme")
        self.user.wait_gone("services,configmaps,networkpolicies,deployments,statefulsets,pods")


def _kept(item: Object) -> bool:
    return item["metadata"]["labels"].get("pryv.io/purpose") not in (None, "config", "generated")


def _without_traces(found: dict[str, Any]) -> dict[str, Any]:
    """Remove traces of the history: restarts, and fields of other managers."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            kept = {key: plain(each) for key, each in value.items() if key != "pryv.io/restarted"}
            if "env" in kept:
                kept["env"] = [each for each in kept["env"] if each["name"] != "DEBUG"]
            return {key: each for key, each in kept.items() if each not in ({}, [], None)}
        return [plain(each) for each in value] if isinstance(value, list) else value

    return {name: plain(item) for name, item in found.items()}


@pytest.mark.long
def test_random_histories_converge_to_a_fresh_install(
    user: PlatformUser, operator: OperatorProcess, pytestconfig: pytest.Config
) -> None:
    count, steps = MANY if pytestconfig.getoption("--long") else FEW
    count = pytestconfig.getoption("--histories") or count
    seed = seed_of_run(pytestconfig.getoption("--edits-seed"))
    print(f"{count} histories of {steps} steps, seed {seed}")
    History.user, History.operator = user, operator
    phases = (
        Phase.generate,
    )  # each history costs a platform: none is tried again to make it smaller
    run_state_machine_as_test(
        hypothesis.seed(seed)(History),
        settings=settings(
            max_examples=count,
            stateful_step_count=steps,
            database=None,
            deadline=None,
            phases=phases,
            suppress_health_check=list(HealthCheck),
        ),
    )
    wait_until(lambda: not user.list("pods"), "everything to be gone", seconds=60)
