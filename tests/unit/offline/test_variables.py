"""What a variable affects: found by taint, and by computing the desired state twice."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.desired.inputs import Inputs
from pryv_operator.offline.preview import placeholder_inputs
from pryv_operator.offline.variable_texts import (
    explain,
    explain_offline,
    variable_documents,
    variable_table,
)
from pryv_operator.offline.variables import (
    UnknownVariableError,
    files_with,
    find_variable,
    restarted_by,
    similar_names,
)
from pryv_operator.templates.builtin import load_release
from tests.unit.builders import inputs, platform

BUNDLE = load_release()
#: Variables that no pod of a cluster depends on.
WITHOUT_EFFECT = {
    "LICENSE_NAME",  # no file uses it
    "REG_MASTER_PUBLIC_INTERFACE_IP_ADDRESS",  # a published port's address is the Service's
    "REG_SLAVE_PUBLIC_INTERFACE_IP_ADDRESS",
    "SINGLE_MACHINE_IP_ADDRESS",
    "SINGLE_MACHINE_DNS_IP_ADDRESS",
    "SINGLE_MACHINE_PUBLIC_INTERFACE_IP_ADDRESS",
}
#: One of each type and kind; the others are long tests.
ALWAYS_TESTED = {
    "DOMAIN",
    "HOSTINGS_AND_CORES",
    "REGISTER_ADMIN_KEY",
    "TRUSTED_AUTH_URLS",
    "MFA_MODE",
    "MAX_UPLOAD_SIZE_MB",
    "ACCOUNT_SYSTEM_STREAMS",
    "LICENSE_NAME",
}


@pytest.fixture(scope="module")
def cluster() -> Inputs:
    return inputs(platform(roles={"reg-slave": {}, "core": {"instances": [{"name": "co1"}]}}))


def restarts(found: Inputs, name: str) -> tuple[str, ...] | None:
    return restarted_by(found, find_variable(found.bundle, name))


class TestEffect:
    """Files and restarts."""

    def test_files_are_found_through_includes_and_other_variables(self, cluster: Inputs) -> None:
        assert files_with(cluster, "SESSION_MAX_AGE") == {
            "core": ("core/conf/core.yml", "preview/conf/preview.yml")
        }
        through_another = files_with(cluster, "REG_MASTER_IP_ADDRESS")
        assert "dns/conf/dns.json" in through_another["reg-slave"]

    def test_a_file_counts_although_it_holds_other_secrets(self, cluster: Inputs) -> None:
        assert (
            "register/conf/register.json" not in files_with(cluster, "CORE_MAIL_KEY")["reg-master"]
        )

    def test_what_reads_it_at_start_restarts_too(self, cluster: Inputs) -> None:
        assert set(restarts(cluster, "PLATFORM_NAME") or ()) >= {"reg/register", "co1/core"}
        assert files_with(cluster, "PLATFORM_NAME").keys() == {"reg-master", "reg-slave"}

    def test_a_shared_secret_restarts_all_its_users(self, cluster: Inputs) -> None:
        assert restarts(cluster, "CORE_SYSTEM_KEY") == (
            "co1/core", "reg-slave/dns", "reg/dns", "reg/register",
        )  # fmt: skip

    @pytest.mark.parametrize(
        "name",
        [
            name if name in ALWAYS_TESTED else pytest.param(name, marks=pytest.mark.long)
            for name in BUNDLE.variables
        ],
    )
    def test_what_is_in_a_file_restarts_a_component(self, name: str, cluster: Inputs) -> None:
        if name in WITHOUT_EFFECT:
            assert restarts(cluster, name) == ()
        else:
            assert restarts(cluster, name)
            assert files_with(cluster, name)


class TestNames:
    """Names of variables, of 2019 too, and what to say of others."""

    def test_name_of_2019_is_found(self) -> None:
        info = find_variable(BUNDLE, "MAIL_SMTP_PASS")
        assert info.name == "EMAIL_SMTP_SETTINGS.auth.pass"
        assert find_variable(BUNDLE, "SUPPORT_LINK").name == "SUPPORT_URL"

    @pytest.mark.parametrize(
        ("asked", "expected"),
        [
            ("PLATFROM_NAME", "PLATFORM_NAME"),
            ("platform-name", "PLATFORM_NAME"),
            ("SUPORT_LINK", "SUPPORT_LINK"),
            ("smtp", "EMAIL_SMTP_SETTINGS"),
        ],
    )
    def test_typo_names_what_is_similar(self, asked: str, expected: str) -> None:
        with pytest.raises(UnknownVariableError, match=expected):
            find_variable(BUNDLE, asked)

    @given(st.text(max_size=40))
    def test_any_name_is_found_or_explained(self, name: str) -> None:
        try:
            assert find_variable(BUNDLE, name).variable.name in BUNDLE.variables
        except UnknownVariableError as error:
            assert str(error).startswith(f"{name}: not a variable of ")
        assert len(similar_names(BUNDLE, name)) <= 3


class TestTexts:
    """What users see."""

    def test_single_node_variable_is_explained_by_a_single_node(self) -> None:
        found = explain_offline(BUNDLE, "SINGLE_MACHINE_IP_ADDRESS")
        assert found.restarts == ("single/dns", "single/register")
        assert found.document["setIn"][0] == "spec.roles.singlenode.address"

    def test_document_is_json_and_complete(self) -> None:
        found = explain_offline(BUNDLE, "MAIL_SMTP_HOST").document
        assert json.loads(json.dumps(found)) == found
        assert found["default"] == "localhost"
        assert found["otherNames"] == [{"name": "MAIL_SMTP_HOST", "path": "host"}]
        assert found["secret"] is False

    def test_secret_is_said_to_belong_into_a_secret(self) -> None:
        text = explain_offline(BUNDLE, "MAIL_SMTP_PASS").text
        assert "SECRET:   yes" in text
        assert "SET IN:   spec.secrets.EMAIL_SMTP_SETTINGS.auth.pass\n" in text

    def test_value_of_a_platform_without_its_secrets(self) -> None:
        mine = platform(
            variables={
                "EMAIL_ACTIVATION": {"welcome": True, "resetPassword": True},
                "EMAIL_SMTP_SETTINGS": {"host": "mail.acme.health", "auth": {"user": "me"}},
                "EMAIL_SENDER": {"name": "Acme", "address": "a@acme.health"},
            },
            secrets={
                "EMAIL_SMTP_SETTINGS.auth.pass": {"secretKeyRef": {"name": "smtp", "key": "p"}}
            },
        )
        known = placeholder_inputs(mine, BUNDLE)
        found = explain(find_variable(BUNDLE, "EMAIL_SMTP_SETTINGS"), known, mine).document
        assert found["platform"]["value"] == {
            "host": "mail.acme.health", "auth": {"user": "me", "pass": "(secret)"}, "port": 587,
        }  # fmt: skip
        secret = explain(find_variable(BUNDLE, "MAIL_SMTP_PASS"), known, mine).document
        assert secret["platform"] == {
            "field": "spec.secrets.EMAIL_SMTP_SETTINGS.auth.pass", "value": "(secret)",
        }  # fmt: skip

    def test_table_lists_every_variable(self) -> None:
        lines = variable_table(BUNDLE).splitlines()
        assert [line.split()[0] for line in lines[1:]] == list(BUNDLE.variables)
        assert [each["name"] for each in variable_documents(BUNDLE)] == list(BUNDLE.variables)

    def test_every_variable_is_described(self) -> None:
        assert [name for name, each in BUNDLE.variables.items() if not each.description] == []
