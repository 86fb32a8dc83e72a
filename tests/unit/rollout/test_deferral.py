"""An upgrade of the operator alone rolls nothing; any change of the platform applies it."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object
from pryv_operator.desired.inputs import Inputs
from pryv_operator.desired.state import Desired, compute_desired
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.pki.certificate import Certificate
from pryv_operator.rollout.deferral import (
    compute_basis,
    deferred_desired,
    has_same_basis,
    seems_unchanged,
)
from pryv_operator.rollout.revision_inputs import contents, fingerprints, keyed_hash
from pryv_operator.rollout.revision_record import (
    NewRevision,
    controller_revision,
    recorded_workloads,
    state_digest,
)
from pryv_operator.rollout.revisions import Revision, parse_revisions
from pryv_operator.values.addresses import Address
from tests.unit.builders import DOMAIN, all_objects, inputs, platform

SPEC = {"domain": DOMAIN, "variables": {"PLATFORM_NAME": "Acme"}}
INPUTS = inputs(platform(variables=SPEC["variables"]))
BEFORE = compute_desired(INPUTS)
#: What reads from register when it starts.
READERS = ("core", "hfs", "preview", "webhooks")
LIVE = LiveObjects({(item["kind"], item["metadata"]["name"]): item for item in all_objects(BEFORE)})


def revision_item(of: Inputs = INPUTS, *, with_basis: bool = True) -> Object:
    new = NewRevision(
        number=1,
        spec=SPEC,
        objects=BEFORE.objects,
        state_digest=state_digest(all_objects(BEFORE)),
        inputs=fingerprints(of),
        basis=compute_basis(of, SPEC, "") if with_basis else None,
    )
    item = controller_revision(of.platform, new)
    item["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    return item


def revision(of: Inputs = INPUTS, *, with_basis: bool = True) -> Revision:
    (found,) = parse_revisions([revision_item(of, with_basis=with_basis)])
    return found


def of_newer_operator(changed: str = "acme-co1-hfs") -> Desired:
    """The desired state of an operator that gives one workload another pod template."""

    def newer(item: Object) -> Object:
        if item["metadata"]["name"] != changed or item["kind"] not in WORKLOAD_KINDS:
            return item
        item = copy.deepcopy(item)
        item["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 61
        return item

    return replace(BEFORE, objects=tuple(map(newer, BEFORE.objects)))


def templates(found: Desired) -> dict[str, Any]:
    return {
        item["metadata"]["name"]: item["spec"]["template"]
        for item in found.objects
        if item["kind"] in WORKLOAD_KINDS
    }


class TestDeferred:
    def test_workloads_keep_the_recorded_templates(self) -> None:
        found = deferred_desired(of_newer_operator(), recorded_workloads(revision_item()), LIVE)
        assert found is not None
        assert found.deferred == ("co1/hfs",)
        assert templates(found) == templates(BEFORE)
        (warning,) = set(found.warnings) - set(BEFORE.warnings)
        assert (warning.reason, "co1/hfs" in warning.message) == ("UpdateDeferred", True)

    def test_nothing_is_deferred_when_nothing_differs(self) -> None:
        assert deferred_desired(BEFORE, recorded_workloads(revision_item()), LIVE) is None

    def test_a_component_that_only_the_new_operator_knows_is_left_out(self) -> None:
        recorded = recorded_workloads(revision_item())
        del recorded["acme-co1-hfs"]
        found = deferred_desired(BEFORE, recorded, LIVE)
        assert found is not None
        assert "acme-co1-hfs" not in templates(found)
        assert not [
            each
            for plan in found.instances
            for each in plan.workloads
            if each.name == "acme-co1-hfs"
        ]

    def test_it_is_applied_when_recorded_configuration_is_gone(self) -> None:
        """The recorded templates could not run, and their configuration cannot be recreated."""
        gone = next(
            key
            for key, item in LIVE.objects.items()
            if key[0] == "ConfigMap" and "-hfs-" in item["metadata"]["name"]
        )
        live = LiveObjects({key: item for key, item in LIVE.objects.items() if key != gone})
        recorded = recorded_workloads(revision_item())
        assert deferred_desired(of_newer_operator(), recorded, live) is None

    def test_configuration_of_deferred_templates_is_not_created(self) -> None:
        extra = {"kind": "ConfigMap", "metadata": {"name": "acme-core-hfs-0123456789"}}
        newer = of_newer_operator()
        newer = replace(newer, objects=(extra, *newer.objects))
        found = deferred_desired(newer, recorded_workloads(revision_item()), LIVE)
        assert found is not None
        assert extra not in found.objects


@pytest.mark.parametrize("secret", ["value", "another value"])
def test_inputs_of_an_earlier_version_are_compared(secret: str) -> None:
    before = inputs(INPUTS.platform, secrets={"CORE_SYSTEM_KEY": "value"})
    hashes = {each: keyed_hash(before.hash_key, text) for each, text in contents(before).items()}
    earlier = replace(revision(before), inputs=hashes)
    now = inputs(INPUTS.platform, secrets={"CORE_SYSTEM_KEY": secret})
    same = has_same_basis(earlier, now, compute_basis(now, SPEC, ""))
    assert same == (secret == "value")


CHANGES: dict[str, Inputs] = {
    "a secret": inputs(INPUTS.platform, secrets={"CORE_SYSTEM_KEY": "another value"}),
    "the certificate": replace(INPUTS, certificate=Certificate("another\n", "key\n")),
    "a certificate of a role": replace(
        INPUTS, role_certificates={"core": Certificate("another\n", "key\n")}
    ),
    "an authority": replace(INPUTS, authorities="another\n"),
    "an address": replace(
        INPUTS, addresses={**INPUTS.addresses, "acme-reg": Address("10.255.255.1")}
    ),
    "the cluster's DNS": replace(INPUTS, cluster_dns="10.96.0.99"),
    "a restart": replace(INPUTS, restart="core@2"),
    "an upstream": replace(INPUTS, unresolved=frozenset({"pryv.github.io"})),
}


class TestBootInputs:
    """A revision of an operator that did not know yet what components read when they start."""

    @staticmethod
    def recorded() -> dict[str, Object]:
        found = copy.deepcopy(recorded_workloads(revision_item()))
        for item in found.values():
            metadata = item["spec"]["template"]["metadata"]
            if keys.BOOT_INPUTS in metadata.get("annotations", {}):
                del metadata["annotations"]
        return found

    def test_an_upgrade_rolls_nothing(self) -> None:
        recorded = self.recorded()
        found = deferred_desired(BEFORE, recorded, LIVE)
        assert found is not None
        assert set(found.deferred) == {f"co1/{each}" for each in READERS}
        for name, template in templates(found).items():
            assert template == recorded[name]["spec"]["template"]

    def test_a_change_of_the_name_rolls_the_readers(self) -> None:
        spec = {**SPEC, "variables": {"PLATFORM_NAME": "Other"}}
        renamed = inputs(platform(variables=spec["variables"]))
        assert not has_same_basis(revision(), renamed, compute_basis(renamed, spec, ""))
        before, after = self.recorded(), templates(compute_desired(renamed))
        assert {name for name in after if after[name] != before[name]["spec"]["template"]} == {
            *("acme-reg-register", "acme-reg-dns"),
            *(f"acme-co1-{each}" for each in READERS),
        }


class TestBasis:
    def test_the_same_inputs(self) -> None:
        assert has_same_basis(revision(), INPUTS, compute_basis(INPUTS, SPEC, ""))

    @pytest.mark.parametrize("changed", CHANGES.values(), ids=CHANGES)
    def test_every_input_counts(self, changed: Inputs) -> None:
        assert not has_same_basis(revision(), changed, compute_basis(changed, SPEC, ""))

    @pytest.mark.parametrize("field", ["variables", "imageRegistry", "roles"])
    def test_every_field_of_the_spec_counts(self, field: str) -> None:
        spec = {**SPEC, field: {"x": 1}}
        assert not has_same_basis(revision(), INPUTS, compute_basis(INPUTS, spec, ""))

    @pytest.mark.parametrize("field", ["rollout", "stopped", "deletionPolicy"])
    def test_but_for_those_that_no_object_is_made_from(self, field: str) -> None:
        spec = {**SPEC, field: {"x": 1}}
        assert has_same_basis(revision(), INPUTS, compute_basis(INPUTS, spec, ""))

    def test_the_annotation_applies_it_now(self) -> None:
        assert not has_same_basis(revision(), INPUTS, compute_basis(INPUTS, SPEC, "now"))

    def test_what_only_a_newer_operator_records_is_ignored(self) -> None:
        """It may need another Service, another generated secret, another entry."""
        newer = replace(
            INPUTS,
            addresses={**INPUTS.addresses, "acme-new": Address("10.255.255.2")},
            secrets={**INPUTS.secrets, "NEW_KEY": "value"},
        )
        basis = {**compute_basis(newer, SPEC, ""), "new": "entry"}
        assert has_same_basis(revision(), newer, basis)

    def test_losing_the_hash_key_rolls_nothing(self) -> None:
        lost = replace(INPUTS, hash_key=b"another key")
        assert has_same_basis(revision(), lost, compute_basis(lost, SPEC, ""))

    def test_it_holds_no_secret(self) -> None:
        text = json.dumps(compute_basis(INPUTS, SPEC, ""))
        assert INPUTS.certificate is not None
        for secret in (*INPUTS.secrets.values(), INPUTS.certificate.key.strip()):
            assert secret not in text

    def test_a_revision_without_a_basis_is_never_the_same(self) -> None:
        old = revision(with_basis=False)
        assert old.basis is None
        assert not has_same_basis(old, INPUTS, compute_basis(INPUTS, SPEC, ""))


class TestRevisionOfAnEarlierOperator:
    OLD = revision(with_basis=False)

    def test_unchanged(self) -> None:
        owned = {"acme-tls": {"bundle": "dGhlIGNoYWluCg=="}}  # "the chain\n"
        assert seems_unchanged(self.OLD, SPEC, replace(INPUTS, owned_secrets=owned), SPEC)

    def test_another_certificate(self) -> None:
        assert not seems_unchanged(self.OLD, SPEC, INPUTS, SPEC)

    def test_another_spec(self) -> None:
        spec = {**SPEC, "imageRegistry": "registry.acme.health"}
        assert not seems_unchanged(self.OLD, SPEC, INPUTS, spec)

    def test_another_secret(self) -> None:
        changed = inputs(INPUTS.platform, secrets={"CORE_SYSTEM_KEY": "another value"})
        assert not seems_unchanged(self.OLD, SPEC, changed, SPEC)


def test_the_annotation_is_one_that_users_write() -> None:
    assert keys.UPDATE == "pryv.io/update"
