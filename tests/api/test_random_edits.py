"""Random edits converge to the objects of a fresh install of the last spec."""

from __future__ import annotations

import base64
import difflib
import json
import re
from typing import Any

import hypothesis
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.api.platforms import Object, PlatformUser
from tests.examples import seed_of_run

_KINDS = "services,configmaps,secrets,networkpolicies,poddisruptionbudgets,deployments,statefulsets"
#: Edits in a burst; after each burst the test waits for the last edit to be reconciled.
BURST, FEW = 12, 3
#: Annotations that are of one history: the operator's own, and those of the controllers.
_TRACES = ("pryv.io/", "deployment.kubernetes.io/")
_ADDRESS = re.compile(r"\b10\.96\.\d+\.\d+\b")
_WORDS = st.text("abc xyzäß\"'{}$\\;#&<>", min_size=1, max_size=20)

_VARIABLES = st.fixed_dictionaries(
    {},
    optional={
        "PLATFORM_NAME": _WORDS,
        "SUPPORT_LINK": st.sampled_from(["https://help.acme.test", "mailto:help@acme.test"]),
        "MAX_UPLOAD_SIZE_MB": st.integers(1, 500),
        "DNS_CUSTOM_ENTRIES": st.dictionaries(
            st.sampled_from(["www", "old"]), st.just({"ip": "198.51.100.7"}), max_size=2
        ),
        "INVITATION_TOKENS": st.lists(st.text("abcdefgh", min_size=6, max_size=9), max_size=2),
        "SESSION_MAX_AGE": st.integers(1, 10**12),
        "NO_SUCH_VARIABLE": st.booleans(),
        "HOSTINGS_PROVIDERS": st.just(
            {"geneva": {"url": "https://acme.test", "name": "Geneva", "description": "here"}}
        ),
    },
)
_COMPONENT = st.fixed_dictionaries(
    {},
    optional={
        "env": st.lists(
            st.fixed_dictionaries({"name": st.sampled_from(["A", "B"]), "value": _WORDS}),
            max_size=1,
        ),
        "resources": st.sampled_from(
            [
                {"requests": {"cpu": "100m"}},
                {"limits": {"memory": "1Gi"}, "requests": {"memory": "1024Mi"}},
            ]
        ),
        "labels": st.just({"example.com/team": "health"}),
        "annotations": st.just({"example.com/scrape": "yes"}),
        "nodeSelector": st.just({"kubernetes.io/os": "linux"}),
        "tolerations": st.just([{"key": "dedicated", "operator": "Exists"}]),
    },
)
_CORE = st.fixed_dictionaries(
    {},
    optional={
        "instances": st.lists(
            st.fixed_dictionaries(
                {"name": st.sampled_from(["co1", "co2"])},
                optional={
                    "hosting": st.sampled_from(["geneva", "zurich"]),
                    "address": st.just("203.0.113.5"),
                },
            ),
            min_size=1,
            max_size=2,
            unique_by=lambda each: each["name"],
        ),
        "components": st.dictionaries(
            st.sampled_from(["core", "mfa", "reverse_proxy", "mongodb"]), _COMPONENT, max_size=2
        ),
    },
)
_SPECS = st.fixed_dictionaries(
    {"domain": st.just("pryv.acme.test")},
    optional={
        "variables": _VARIABLES,
        "secrets": st.sampled_from(
            [
                {"REGISTER_ADMIN_KEY": {"secretKeyRef": {"name": "keys", "key": "admin"}}},
                {
                    "MAIL_SMTP_PASS": {"secretKeyRef": {"name": "keys", "key": "smtp"}},
                    "CORE_SYSTEM_KEY": {"generate": {}},
                },
            ]
        ),
        "networkPolicy": st.booleans(),
        "imageRegistry": st.just("registry.acme.test/pryv"),
        "imagePullSecrets": st.just([{"name": "login"}]),
        "deletionPolicy": st.sampled_from(["Retain", "Delete"]),
        "roles": st.fixed_dictionaries(
            {},
            optional={
                "core": _CORE,
                "reg-master": st.fixed_dictionaries(
                    {},
                    optional={
                        "address": st.just("203.0.113.1"),
                        "components": st.sampled_from([{"mail": {}}, {"mail": {"replicas": 2}}]),
                    },
                ),
                "reg-slave": st.just({}),
                "static": st.fixed_dictionaries(
                    {
                        "service": st.sampled_from(
                            [{"annotations": {"example.com/a": "b"}}, {"type": "NodePort"}]
                        )
                    },
                    optional={"address": st.just("203.0.113.2")},
                ),
            },
        ),
    },
)


def test_random_edits_converge_to_a_fresh_install(
    user: PlatformUser, pytestconfig: pytest.Config
) -> None:
    """Bursts of edits without waiting; after each burst, wait until the last one is reconciled."""
    count = pytestconfig.getoption("--edits") or (200 if pytestconfig.getoption("--long") else 50)
    seed = seed_of_run(pytestconfig.getoption("--edits-seed"))
    print(f"{count} edits, seed {seed}")
    user.secret("keys", admin="planted-admin-key", smtp="planted-smtp-pass")
    last: Object = {}
    for number, last in enumerate(specs(count, seed), start=1):
        user.replace_platform(last)
        if number % (FEW if count // 3 <= number < 2 * count // 3 else BURST) == 0:
            user.wait_observed()
    # Node ports without an address never get ready; and what is to be found again must be kept.
    last = {**last, "deletionPolicy": "Retain", "roles": {**last.get("roles", {}), "static": {}}}
    user.replace_platform(last)
    user.wait_ready()
    user.wait_config_cleanup()
    edited = what_is_there(user)
    user.delete("pryvplatform", "acme")
    user.wait_gone(
        "services,configmaps,networkpolicies,poddisruptionbudgets,deployments,statefulsets,pods"
    )
    user.replace_platform(last)
    user.adopt()
    user.wait_ready()
    fresh = what_is_there(user)
    assert fresh.keys() == edited.keys()
    for name, item in edited.items():
        assert fresh[name] == item, (
            f"{name} of a fresh install against the edited one:\n"
            + "\n".join(differences(fresh[name], item))
        )


def differences(one: Any, other: Any) -> list[str]:
    """The lines that only one side has."""
    texts = [json.dumps(each, indent=1, sort_keys=True).splitlines() for each in (one, other)]
    return list(difflib.unified_diff(*texts, "fresh", "edited", n=4))


def specs(count: int, seed: int) -> list[Object]:
    """Random specs, determined by the seed."""
    found: list[Object] = []

    @settings(max_examples=count, database=None, deadline=None, phases=[Phase.generate])
    @hypothesis.seed(seed)
    @given(_SPECS)
    def collect(spec: Object) -> None:
        found.append(spec)

    collect()
    return (found * (count // len(found) + 1))[:count]


def what_is_there(user: PlatformUser) -> dict[str, Any]:
    """The managed objects by kind and name: labels, annotations and spec, normalized.

    Content replaces its hash, the name of a Service its address; node ports are omitted.
    """
    items = user.list(_KINDS)
    names = {
        item["spec"]["clusterIP"]: item["metadata"]["name"]
        for item in items
        if item["kind"] == "Service"
    }
    contents = {
        item["metadata"]["name"]: decoded(item, names)
        for item in items
        if item["kind"] in ("ConfigMap", "Secret")
        and item["metadata"]["labels"].get("pryv.io/purpose") == "config"
    }
    found: dict[str, Any] = {}
    for item in items:
        name = item["metadata"]["name"]
        if name not in contents:
            body = item.get("spec") or decoded(item, names)
            annotations = {
                key: text
                for key, text in item["metadata"].get("annotations", {}).items()
                if not key.startswith(_TRACES)
            }
            written = {
                "labels": item["metadata"]["labels"],
                "annotations": annotations,
                "body": body,
            }
            found[f"{item['kind']}/{name}"] = plain(written, names, contents)
    return found


def plain(value: Any, names: dict[str, str], contents: dict[str, Any]) -> Any:
    """A value with addresses and content hashes replaced, without what the cluster chooses."""
    if isinstance(value, dict):
        chosen = ("nodePort", "clusterIP", "clusterIPs", "volumeName")
        return {
            key: plain(each, names, contents) for key, each in value.items() if key not in chosen
        }
    if isinstance(value, list):
        return [plain(each, names, contents) for each in value]
    return contents.get(value, names.get(value, value)) if isinstance(value, str) else value


def decoded(item: Object, names: dict[str, str]) -> dict[str, str]:
    """An object's data as text, with cluster IPs replaced by names."""
    data = item["data"]
    texts = (
        {key: base64.b64decode(text).decode() for key, text in data.items()}
        if item["kind"] == "Secret"
        else data
    )
    return {
        key: _ADDRESS.sub(lambda match: names.get(match[0], match[0]), text)
        for key, text in texts.items()
    }
