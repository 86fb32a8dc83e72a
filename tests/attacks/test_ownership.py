"""Objects of others that look like the operator's own are not used, changed or deleted."""

from __future__ import annotations

import base64
import copy
import datetime as dt
from typing import Any, Final

from pryv_operator.pki import authority
from tests.api.platforms import MANAGED, PlatformUser

Object = dict[str, Any]

VALUE: Final = "acme-generated-core-system-key"
AUTHORITY: Final = "acme-private-ca-1"
#: Chosen by whoever may create objects: all but the uid.
FIELD_MANAGER: Final = "?fieldManager=pryv-operator"


def copied(item: Object, name: str, data: dict[str, str] | None = None) -> Object:
    """A copy of an object under another name, with its labels, annotations and owners."""
    found = copy.deepcopy(item)
    kept = ("labels", "annotations", "ownerReferences", "namespace")
    found["metadata"] = {key: each for key, each in found["metadata"].items() if key in kept}
    found["metadata"]["name"] = name
    if data is not None:
        found["data"] = {
            key: base64.b64encode(text.encode()).decode() for key, text in data.items()
        }
    return found


def plant(user: PlatformUser, kind: str, item: Object) -> Object:
    created: Object = user.control_plane.api.create(user.path(kind) + FIELD_MANAGER, item)
    return created


def their_authority() -> dict[str, str]:
    pair = authority.issue_authority("theirs", "pryv.acme.test", dt.datetime.now(dt.UTC))
    return {"tls.crt": pair.chain, "tls.key": pair.key}


def test_planted_secrets_are_not_used_or_changed(shared_platform: PlatformUser) -> None:
    user = shared_platform
    user.apply_and_wait()
    user.wait_steady()
    pods = user.pods()
    value, trusted = user.get("secret", VALUE), user.get("secret", AUTHORITY)

    # Beside the operator's own: a second authority, a later rotation, a value that "was recreated".
    planted = [
        plant(user, "secret", copied(trusted, "acme-private-ca-9", their_authority())),
        plant(user, "secret", copied(value, f"{VALUE}.7", {"value": "theirs"})),
        plant(user, "secret", copied(value, "acme-generated-other", {"value": "theirs"})),
    ]
    user.annotate("secret", "acme-generated-other", **{"pryv.io/recreated": "true"})
    names = [item["metadata"]["name"] for item in planted]
    before = {name: user.get("secret", name) for name in names}
    user.apply_and_wait(deletionPolicy="Delete")
    user.apply_and_wait(deletionPolicy="Retain")
    assert {name: user.get("secret", name) for name in before} == before
    assert user.pods() == pods
    status = user.get("pryvplatform", "acme")["status"]
    assert "SecretRecreated" not in {each["reason"] for each in status["warnings"]}
    assert not {each["name"] for each in status["ownership"]["secrets"]} & before.keys()
    for name in before:
        user.delete("secret", name)

    # In place of one that the operator is about to create.
    theirs = plant(user, "secret", copied(value, f"{VALUE}.1", {"value": "theirs"}))
    user.apply_platform(secrets={"CORE_SYSTEM_KEY": {"generate": {"rotation": 1}}})
    assert f'"{VALUE}.1"' in user.wait_reason("AdoptionRequired")["message"]
    user.apply_platform()
    user.wait_ready()
    assert user.get("secret", f"{VALUE}.1") == theirs
    assert user.pods() == pods

    # It belongs to another platform: it is not taken over even if the user asks for it.
    user.label("secret", f"{VALUE}.1", **{"pryv.io/platform": "beta"})
    user.adopt()
    user.apply_platform(secrets={"CORE_SYSTEM_KEY": {"generate": {"rotation": 1}}})
    message = user.wait_reason("NotAllowed")["message"]
    assert f'"{VALUE}.1": belongs to platform "beta" and cannot be adopted' in message
    labelled = user.get("secret", f"{VALUE}.1")
    assert (labelled["metadata"]["uid"], labelled["data"]) == (
        theirs["metadata"]["uid"],
        theirs["data"],
    )
    assert user.pods() == pods
    user.apply_platform()
    user.wait_ready()
    user.delete("secret", f"{VALUE}.1")


def test_objects_with_copied_labels_are_left_alone(shared_platform: PlatformUser) -> None:
    """As backup tools and other controllers create them; with more data than is ever read."""
    user = shared_platform
    user.apply_and_wait()
    user.wait_steady()
    pods = user.pods()
    configuration = next(
        item
        for item in user.list("configmaps", f"{MANAGED},pryv.io/purpose=config")
        if item["metadata"]["name"].startswith("acme-core-core-")
    )
    copies = [("configmap", copied(configuration, f"acme-core-core-{n:010x}")) for n in range(30)]
    for kind, name in (
        ("pvc", "acme-co1-core-data"),
        ("service", "acme-co1-core"),
        ("networkpolicy", "acme-co1-core"),
        ("deployment", "acme-co1-hfs"),
    ):
        item = copied(user.get(kind, name), f"{name}-copy")
        item["spec"] = {
            key: each
            for key, each in item["spec"].items()
            if key not in ("clusterIP", "clusterIPs", "volumeName")
        }
        if kind == "deployment":
            item["spec"]["replicas"] = 0
        copies.append((kind, item))
    # One has the name of an object that is needed soon.
    copies.append(
        (
            "service",
            copies[-3][1] | {"metadata": copied(copies[-3][1], "acme-co7-core")["metadata"]},
        )
    )
    for kind, item in copies:
        item["metadata"].pop("ownerReferences", None)
        user.control_plane.api.create(user.path(kind) + "?fieldManager=backup", item)
    user.apply_platform(deletionPolicy="Delete")
    user.wait_ready()
    user.apply_platform()
    user.wait_steady()
    user.apply_platform(roles={"core": {"instances": [{"name": "co1"}, {"name": "co7"}]}})
    assert 'Service "acme-co7-core"' in user.wait_reason("NameInUse")["message"]
    user.apply_platform()
    user.wait_steady()
    assert user.pods() == pods
    for kind, item in copies:
        found = user.get(kind, item["metadata"]["name"])
        managers = {entry["manager"] for entry in found["metadata"]["managedFields"]}
        assert not {each for each in managers if each.startswith("pryv-operator")}
        assert "ownerReferences" not in found["metadata"]
        user.control_plane.api.delete(user.path(kind, item["metadata"]["name"]))
