"""What an edit of the spec would change, and in which order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pryv_operator.offline.preview import placeholder_inputs
from pryv_operator.rollout.edit_difference import EditDifference, edit_difference
from pryv_operator.templates.builtin import load_release
from tests.unit.builders import platform

BUNDLE = load_release()
CORES = {"core": {"instances": [{"name": "co1"}, {"name": "co2"}]}}
SMTP = {"EMAIL_SMTP_SETTINGS.auth.pass": {"secretKeyRef": {"name": "smtp", "key": "p"}}}
MAIL: dict[str, Any] = {
    "EMAIL_ACTIVATION": {"welcome": True, "resetPassword": True},
    "EMAIL_SENDER": {"name": "Acme", "address": "a@acme.test"},
    "EMAIL_SMTP_SETTINGS": {"host": "smtp.acme.test", "auth": {"user": "me"}},
}


def edited(before: dict[str, Any], after: dict[str, Any]) -> EditDifference:
    old = placeholder_inputs(platform(**before), BUNDLE)
    new_platform = platform(**after)
    new = placeholder_inputs(new_platform, BUNDLE, old.addresses)
    return edit_difference(old, new, (before, after))


def test_nothing_changes() -> None:
    found = edited({"roles": CORES}, {"roles": CORES})
    assert found.is_empty
    assert found.table(wide=False) == ""


def test_files_and_steps_of_an_edit_of_one_component() -> None:
    found = edited(
        {"roles": CORES}, {"roles": CORES, "variables": {"MFA_MODE": "challenge-verify"}}
    )
    assert "+  mode: challenge-verify" in found.files or "challenge-verify" in found.files
    assert found.steps == (("co1/mfa",), ("co2/mfa",))
    assert "variables" in found.spec


def test_cores_follow_the_register_one_after_the_other() -> None:
    found = edited({"roles": CORES}, {"roles": CORES, "variables": {"PLATFORM_NAME": "Acme"}})
    order = [label for step in found.steps for label in step]
    assert order.index("reg/register") < order.index("co1/core") < order.index("co2/core")
    assert not any("co1/core" in step and "co2/core" in step for step in found.steps)


def test_secret_values_are_masked_and_another_secret_counts_as_a_change() -> None:
    before = {"variables": MAIL, "secrets": SMTP}
    other = {"EMAIL_SMTP_SETTINGS.auth.pass": {"secretKeyRef": {"name": "other", "key": "p"}}}
    found = edited(before, {**before, "secrets": other})
    assert found.files == "# reg-master/mail/conf/mail.json: only values of secrets change\n"
    assert found.steps == (("reg/mail",),)
    changed = edited(before, {**before, "variables": {**MAIL, "EMAIL_SMTP_SETTINGS": {
        "host": "new.acme.test", "auth": {"user": "me"}}}})  # fmt: skip
    assert "new.acme.test" in changed.files
    assert "(secret)" in changed.files
    assert "generated-" not in changed.table(wide=False)


def test_added_and_removed_instances() -> None:
    one = {"core": {"instances": [{"name": "co1"}]}}
    found = edited({"roles": CORES}, {"roles": one})
    assert "co2/core" in found.removed
    assert ("deleted", "Service", "acme-co2") in found.objects
    assert ("retained", "PersistentVolumeClaim", "acme-co2-core-data") in found.objects
    added = edited({"roles": one}, {"roles": CORES})
    assert "co2/core" in added.names()
    assert ("created", "Service", "acme-co2-core") in added.objects


def test_certificate_rolls_the_reverse_proxies_only() -> None:
    found = edited({"tls": {"secretName": "a"}}, {"tls": {"secretName": "b"}})
    assert {label.partition("/")[2] for label in found.names()} == {"reverse-proxy"}


def test_problems_are_all_reported_and_nothing_would_change() -> None:
    before: dict[str, Any] = {}
    old = placeholder_inputs(platform(**before), BUNDLE)
    after = {"variables": {"SESSION_MAX_AGE": "x", "EMAIL_TEMPLATES_DEFAULT_LANG": "it"}}
    wrong = placeholder_inputs(platform(), BUNDLE)
    found = edit_difference(old, replace(wrong, platform=platform(**after)), (before, after))
    text = found.table(wide=False)
    assert "spec.variables.SESSION_MAX_AGE" in text
    assert "spec.variables.EMAIL_TEMPLATES_DEFAULT_LANG" in text
    assert found.steps == ()


def test_secret_in_the_edited_spec_is_not_repeated() -> None:
    old = placeholder_inputs(platform(), BUNDLE)
    after = {"variables": {"EMAIL_SMTP_SETTINGS": {"auth": {"pass": "canary-in-spec"}}}}
    found = edit_difference(old, replace(old, platform=platform(**after)), ({}, after))
    assert "canary" not in found.table(wide=False)
    assert "canary" not in str(found.document())
