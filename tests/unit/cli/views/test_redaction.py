"""What reports mask: whatever the allow-list does not name, anywhere."""

from __future__ import annotations

import copy
import io
import tarfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.cli.views import report_rules as rules
from pryv_operator.cli.views.redaction import MASK, Redactor
from pryv_operator.cli.views.report_archive import archive, members

CANARY = "c4n4ry of the patient"
VARIABLES = ("PLATFORM_NAME", "EMAIL_SMTP_SETTINGS", "MFA_ENDPOINTS", "SUPPORT_LINK")

PLATFORM: dict[str, Any] = {
    "apiVersion": "pryv.io/v1alpha1",
    "kind": "PryvPlatform",
    "metadata": {
        "name": "acme",
        "labels": {"team": "x"},
        "annotations": {"pryv.io/restart": "all@x", "note": "x"},
    },
    "spec": {
        "domain": "pryv.acme.test",
        "variables": {
            "PLATFORM_NAME": "Acme",
            "EMAIL_SMTP_SETTINGS": {"host": "smtp.acme.test", "port": 587, "auth": {"user": "me"}},
            "MFA_ENDPOINTS": {"single": {"headers": {"x": "y"}, "url": "https://sms.test"}},
            "MY_OWN": ["x", {"deep": "y"}],
        },
        "secrets": {"MAIL_SMTP_PASS": {"secretKeyRef": {"name": "smtp", "key": "password"}}},
        "tls": {"secretName": "wildcard", "caBundle": "x"},
        "roles": {
            "core": {
                "service": {"annotations": {"lb": "x"}},
                "components": {
                    "core": {
                        "image": "pryv/core:1.9.2",
                        "env": [{"name": "A", "value": "x"}],
                        "annotations": {"note": "x"},
                        "labels": {"team": "x"},
                        "nodeSelector": {"disk": "x"},
                        "tolerations": [{"key": "k", "value": "x", "effect": "NoSchedule"}],
                        "affinity": {"nodeAffinity": {"x": ["y"]}},
                    }
                },
            }
        },
    },
}
POD_SPEC: dict[str, Any] = {
    "containers": [
        {
            "name": "core",
            "image": "pryv/core:1.9.2",
            "command": ["sh", "-c", "x"],
            "args": ["--x"],
            "env": [
                {"name": "A", "value": "x"},
                {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            ],
            "readinessProbe": {"exec": {"command": ["x"]}, "httpGet": {"path": "/x", "port": 1}},
        }
    ],
    "affinity": {"x": "y"},
}
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "acme-core", "annotations": {"x": "y"}, "labels": {"x": "y"}},
    "spec": {"template": {"metadata": {"annotations": {"x": "y"}}, "spec": POD_SPEC}},
    "status": {"conditions": [{"type": "Available", "message": "ok"}]},
}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "acme-core-1"},
    "spec": POD_SPEC,
    "status": {"containerStatuses": [{"state": {"terminated": {"message": "x", "exitCode": 1}}}]},
}
SAMPLES = {
    "platform": (PLATFORM, rules.PLATFORM),
    "deployment": (DEPLOYMENT, rules.BY_KIND["Deployment"]),
    "pod": (POD, rules.BY_KIND["Pod"]),
    "secret": (
        {"kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "x"}},
        rules.METADATA_ONLY,
    ),
}
#: Leaves of the samples that are shown, whatever they hold: reviewed one by one.
SHOWN = {
    "apiVersion", "kind", "metadata.name", "spec.domain", "spec.variables.PLATFORM_NAME",
    "spec.variables.EMAIL_SMTP_SETTINGS.host", "spec.variables.EMAIL_SMTP_SETTINGS.port",
    "spec.secrets.MAIL_SMTP_PASS.secretKeyRef.name", "spec.secrets.MAIL_SMTP_PASS.secretKeyRef.key",
    "spec.tls.secretName", "spec.roles.core.components.core.image",
    "spec.roles.core.components.core.env.0.name",
    "spec.roles.core.components.core.tolerations.0.key",
    "spec.roles.core.components.core.tolerations.0.effect",
    *(
        f"{prefix}.containers.0.{field}"
        for prefix in ("spec", "spec.template.spec")
        for field in (
            "name", "image", "env.0.name", "env.1.name", "env.1.valueFrom.secretKeyRef.name",
            "env.1.valueFrom.secretKeyRef.key", "readinessProbe.httpGet.port",
        )
    ),
    "status.conditions.0.type", "status.conditions.0.message",
    "status.containerStatuses.0.state.terminated.exitCode",
}  # fmt: skip


def redacted(item: Any, rule: Any) -> Any:
    redactor = Redactor(VARIABLES)
    return redactor.texts(redactor.redact(item, rule))


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, (*path, key))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from leaves(each, (*path, number))
    else:
        yield path


def nodes(value: Any) -> Iterator[Any]:
    """All maps and lists."""
    if isinstance(value, dict | list):
        yield value
        for each in value.values() if isinstance(value, dict) else value:
            yield from nodes(each)


def shape(value: Any) -> Any:
    """Sizes of maps and lists, without keys and scalars."""
    if isinstance(value, dict):
        return {"map": sorted((shape(each) for each in value.values()), key=repr)}
    return [shape(each) for each in value] if isinstance(value, list) else None


PLACES = [(name, path) for name, (item, _) in SAMPLES.items() for path in leaves(item)]


@pytest.mark.parametrize(
    ("sample", "path"), PLACES, ids=[f"{name}:{'.'.join(map(str, path))}" for name, path in PLACES]
)
def test_canary_comes_out_only_where_it_is_reviewed(sample: str, path: tuple[Any, ...]) -> None:
    item, rule = copy.deepcopy(SAMPLES[sample][0]), SAMPLES[sample][1]
    parent = item
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = CANARY
    found = redacted(item, rule)
    place = ".".join(map(str, path))
    assert (CANARY in repr(found)) is (place in SHOWN)
    assert shape(found) == shape(item)


json_values = st.recursive(
    st.just(CANARY) | st.integers() | st.booleans() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([CANARY, "name", "value", "spec"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    sample=st.sampled_from(sorted(SAMPLES)),
    place=st.integers(min_value=0),
    key=st.text(max_size=8).map(lambda text: f"{CANARY}{text}"),
    value=json_values,
)
def test_what_is_inserted_anywhere_does_not_come_out(
    sample: str, place: int, key: str, value: Any
) -> None:
    item, rule = copy.deepcopy(SAMPLES[sample][0]), SAMPLES[sample][1]
    all_nodes = list(nodes(item))
    node = all_nodes[place % len(all_nodes)]
    if isinstance(node, dict):
        node[key] = value
    else:
        node.append({key: value})
    found = redacted(item, rule)
    assert CANARY not in repr(found)
    assert CANARY not in yaml.safe_dump(found)
    assert shape(found) == shape(item)


@given(json_values)
def test_value_without_a_rule_has_only_its_structure(value: Any) -> None:
    found = redacted(value, None)
    assert CANARY not in repr(found)
    assert shape(found) == shape(value)


@given(st.text(min_size=8).filter(str.strip), st.text(), st.text())
def test_what_was_masked_does_not_come_out_of_text(secret: str, before: str, after: str) -> None:
    redactor = Redactor()
    redactor.redact({"env": [{"value": secret}]}, {"env": None})
    found = redactor.text(f"{before}{secret}{after}")
    assert secret not in found or secret in f"{MASK}: a line that may hold a credential"


def test_what_is_shown_anyway_is_shown_in_text() -> None:
    redactor = Redactor(VARIABLES)
    item = {"domain": "pryv.acme.test", "affinity": {"x": "pryv.acme.test"}}
    redactor.redact(item, rules.SPEC)
    assert redactor.text("pryv.acme.test: not found") == "pryv.acme.test: not found"


@pytest.mark.parametrize(
    "line",
    [
        "GET /events?auth=s3cr3t-value HTTP/1.1",
        "authorization: s3cr3t-value",
        '{"headers": {"Authorization": "s3cr3t-value"}}',
        "failed with password=s3cr3t-value; retrying",
        'error: "apiKey": "s3cr3t-value"',
        "mongodb://me:s3cr3t-value@mongodb:27017/pryv",
        "a user logged in with Bearer s3cr3t-value",
        "eyJhbGciOiJI.s3cr3t-value-x.signature",
        "cjz0s3cr3t0value000000000 is not valid",
        "-----BEGIN RSA PRIVATE KEY----- s3cr3t-value",
    ],
)
def test_credentials_do_not_come_out_of_text(line: str) -> None:
    found = Redactor().text(f"before\n{line}\nafter")
    assert "s3cr3t" not in found
    assert found.startswith("before\n")
    assert found.endswith("\nafter")


@pytest.mark.parametrize("line", ["a" * 4096, "a.-" * 1365, "x" * 100_000])
def test_long_lines_take_little_time(line: str) -> None:
    """Some milliseconds; more than two seconds with patterns that begin anywhere."""
    began = time.process_time()
    Redactor().text(line)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    "line",
    [
        'spec.secrets.MAIL_SMTP_PASS: Secret "smtp" not found; create it with key "password"',
        "0/3 nodes are available: 3 Insufficient memory",
        'MountVolume.SetUp failed for volume "config": secret "acme-config" not found',
        "Back-off restarting failed container core in pod acme-co1-core-0",
    ],
)
def test_messages_stay_legible(line: str) -> None:
    assert Redactor().text(line) == line


def test_archive_is_ordered_and_private() -> None:
    about = {"name": "acme", "namespace": "pryv", "time": "T", "version": "1"}
    files = members({"b.yaml": {"x": 1}, "a.json": []}, {"c.txt": "c\n"}, ["nodes: no"], about)
    created = datetime(2026, 1, 1, tzinfo=UTC)
    packed = archive("report", files, created)
    assert packed == archive("report", dict(reversed(files.items())), created)
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        assert [each.name for each in tar] == [
            "report/README.txt", "report/a.json", "report/b.yaml", "report/c.txt",
        ]  # fmt: skip
        assert {(each.mode, each.uid, each.gid, each.type) for each in tar} == {
            (0o600, 0, 0, tarfile.REGTYPE)
        }
    assert "What is missing\n  nodes: no\n" in files["README.txt"]
