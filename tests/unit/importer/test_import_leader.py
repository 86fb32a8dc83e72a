"""What a leader's folder is imported as, and that it renders the leader's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pryv_operator.api import secret_variables
from pryv_operator.importer.comparison import compare_files
from pryv_operator.importer.import_leader import Imported, is_platform_name
from pryv_operator.importer.leader_rendering import render_leader_files
from pryv_operator.importer.notes import ImportRefusedError
from pryv_operator.offline.documents import read_documents
from pryv_operator.offline.preview import prepare_inputs, render_files
from pryv_operator.templates.leader_folder import Leader, read_leader
from tests.examples import examples
from tests.unit.importer.leaders import (
    CURRENT,
    INTERNALS,
    archive,
    current,
    everything_readable,
    files,
    imported,
    old,
    secrets,
    spec,
)
from tests.unit.templates.archives import release_files

CLUSTERS = ("1.6.12-cluster", "1.9.2-cluster", "2019-seed-era")
OWN_TEMPLATES = ("1.6.12-cluster", "1.7.3-single-node", "2019-seed-era")
BUILT_IN = ("1.9.2-cluster", "1.9.2-single-node")
RELEASES = (*OWN_TEMPLATES, *BUILT_IN)


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def of_release(shared_pryv: Path, release: str) -> Leader:
    return read_leader(release_files(shared_pryv / "releases", release))


def secret_values(leader: Leader) -> list[str]:
    """Every secret that is filled in."""
    given = {**leader.internals, **leader.values}
    whole = [given.get(name) for name in (*leader.internals, *secret_variables.SECRET_VARIABLES)]
    smtp = given.get("EMAIL_SMTP_SETTINGS")
    mfa = given.get("MFA_SMS_API_SETTINGS")
    parts = [smtp["auth"]["pass"]] if isinstance(smtp, dict) else []
    parts += [mfa["auth"]] if isinstance(mfa, dict) else []
    return [value for value in (*whole, *parts) if isinstance(value, str) and value]


def leaders_bytes(leader: Leader) -> dict[str, bytes]:
    return {
        f"{role}/{file.path}": file.content
        for role, found in render_leader_files(leader).items()
        for file in found
    }


class TestReleases:
    """Pryv's own releases, filled in."""

    @pytest.mark.parametrize("release", OWN_TEMPLATES)
    def test_own_templates_render_the_leaders_files(self, shared_pryv: Path, release: str) -> None:
        leader = of_release(shared_pryv, release)
        ours, theirs = files(imported(leader)), leaders_bytes(leader)
        assert ours.keys() == theirs.keys()
        different = {path for path in theirs if ours[path] != theirs[path]}
        assert {path for path in different if not path.endswith(".json")} == set()
        assert {path: json.loads(ours[path]) for path in different} == {
            path: json.loads(theirs[path]) for path in different
        }

    def test_templates_of_2019_render_byte_for_byte(self, shared_pryv: Path) -> None:
        leader = of_release(shared_pryv, "2019-seed-era")
        assert files(imported(leader)) == leaders_bytes(leader)

    @pytest.mark.parametrize("release", BUILT_IN)
    def test_unmodified_templates_give_way_to_the_built_in_release(
        self, shared_pryv: Path, release: str
    ) -> None:
        result = imported(of_release(shared_pryv, release))
        assert spec(result)["release"] == "1.9.2"
        assert "templates" not in spec(result)
        assert {file.name for file in result.files} == {
            "platform.yaml",
            "secrets.yaml",
            "report.md",
        }
        assert files(result)
        assert "`kubectl-pryv import --own-templates`" in result.text("report.md")

    @pytest.mark.parametrize("release", BUILT_IN)
    def test_own_templates_option_preserves_unmodified_templates(
        self, shared_pryv: Path, release: str
    ) -> None:
        leader = of_release(shared_pryv, release)
        result = imported(leader, own_templates=True)
        assert "release" not in spec(result)
        assert (
            "unmodified; as requested, the platform uses them, from templates.yaml"
            in result.text("report.md")
        )
        assert files(result) == leaders_bytes(leader)

    @pytest.mark.parametrize("release", BUILT_IN)
    def test_modified_templates_are_preserved(self, shared_pryv: Path, release: str) -> None:
        given = release_files(shared_pryv / "releases", release)
        path = next(path for path in sorted(given) if path.endswith("redis/conf/redis.conf"))
        leader = read_leader(given | {path: given[path] + b"\n# changed\n"})
        result = imported(leader)
        assert "templates" in spec(result)
        assert path.removeprefix("data/") in result.text("report.md")
        ours, theirs = files(result), leaders_bytes(leader)
        assert {
            path: json.loads(text) if path.endswith(".json") else text
            for path, text in ours.items()
        } == {
            path: json.loads(text) if path.endswith(".json") else text
            for path, text in theirs.items()
        }

    def test_secrets_are_only_in_secret_files(self, shared_pryv: Path, release: str) -> None:
        leader = of_release(shared_pryv, release)
        result = imported(leader)
        values = secret_values(leader)
        assert len(values) >= 7
        readable = everything_readable(result)
        assert [value for value in values if value in readable] == []
        assert set(values) == set(secrets(result).values())

    def test_import_is_reproducible(self, shared_pryv: Path, release: str) -> None:
        first, second = (imported(of_release(shared_pryv, release)) for _ in range(2))
        assert [(file.name, file.text) for file in first.files] == [
            (file.name, file.text) for file in second.files
        ]

    def test_addresses_become_fields_of_roles(self, shared_pryv: Path, release: str) -> None:
        leader = of_release(shared_pryv, release)
        written = spec(imported(leader))
        computed = {
            "DOMAIN",
            "REG_MASTER_IP_ADDRESS",
            "REG_SLAVE_IP_ADDRESS",
            "STATIC_WEB_IP_ADDRESS",
            "HOSTINGS_AND_CORES",
        }
        computed |= {
            "SINGLE_MACHINE_IP_ADDRESS",
            "CORE_1_IP_ADDRESS",
            "CORE_2_IP_ADDRESS",
            "CORE_HOSTING_1",
            "CORE_HOSTING_2",
        }
        assert computed.isdisjoint(written["variables"])
        if release in CLUSTERS:
            assert [each["name"] for each in written["roles"]["core"]["instances"]] == [
                "co1",
                "co2",
            ]
            assert written["roles"]["reg-slave"]["address"] == leader.values["REG_SLAVE_IP_ADDRESS"]
        else:
            assert written["roles"] == {
                "singlenode": {"address": leader.values["SINGLE_MACHINE_IP_ADDRESS"]}
            }

    def test_report_compares_the_files(self, shared_pryv: Path) -> None:
        report = imported(of_release(shared_pryv, "2019-seed-era")).text("report.md")
        assert "40 of 40 files are byte-identical to the leader's." in report
        assert "- SUPPORT_LINK: `SUPPORT_URL`" in report
        assert "followers" in report

    def test_release_option_replaces_templates_of_2019(self, shared_pryv: Path) -> None:
        result = imported(of_release(shared_pryv, "2019-seed-era"), release="1.9.2")
        written = spec(result)
        assert written["release"] == "1.9.2"
        assert written["variables"]["EMAIL_SENDER"] == {
            "name": "Hospital Lab",
            "address": "no-reply@hospital.example",
        }
        assert written["variables"]["EMAIL_SMTP_SETTINGS"] == {
            "host": "smtp.hospital.example",
            "port": 587,
            "auth": {"user": "lab"},
        }
        assert {"REGISTER_ADMIN_KEY", "EMAIL_SMTP_SETTINGS.auth.pass"} <= written["secrets"].keys()
        smtp = json.loads(files(result)["reg-master/mail/conf/mail.json"])["smtp"]
        assert smtp["auth"] == {"user": "lab", "pass": "p$$&w"}


class TestVariables:
    """Which variables the resource declares."""

    def test_only_values_that_differ_from_defaults_are_declared(self) -> None:
        written = spec(
            imported(
                current(MAX_UPLOAD_SIZE_MB="20", MFA_MODE="challenge-verify", DNS_MX_RECORDS=[])
            )
        )
        assert written["variables"] == {
            "PLATFORM_NAME": "Acme Health",
            "MFA_MODE": "challenge-verify",
        }

    def test_defaults_are_those_of_the_folders_template(self) -> None:
        template = {
            "PLATFORM_NAME": "REPLACE_ME",
            "MFA_MODE": "challenge-verify",
            "MAX_UPLOAD_SIZE_MB": 50,
            "DOMAIN": "REPLACE_ME",
        }
        written = spec(
            imported(current(template=template, MFA_MODE="challenge-verify", MAX_UPLOAD_SIZE_MB=20))
        )
        assert written["variables"] == {"PLATFORM_NAME": "Acme Health", "MAX_UPLOAD_SIZE_MB": 20}

    def test_computed_variable_is_declared_if_it_differs(self) -> None:
        same = current(DNS_ROOT_DOMAIN_A_RECORD="STATIC_WEB_IP_ADDRESS")
        assert "DNS_ROOT_DOMAIN_A_RECORD" not in spec(imported(same))["variables"]
        other = current(DNS_ROOT_DOMAIN_A_RECORD="198.51.100.7")
        assert spec(imported(other))["variables"]["DNS_ROOT_DOMAIN_A_RECORD"] == "198.51.100.7"

    @pytest.mark.parametrize(
        "value",
        [
            "yes",
            "0123",
            "1e3",
            "2001-01-01",
            "null",
            "",
            " a",
            "a: b",
            "#",
            "é\n",
            "\x07",
            "{{ x }}",
        ],
    )
    def test_any_text_is_preserved(self, value: str) -> None:
        leader = (
            current(PLATFORM_NAME=value)
            if value
            else current(PLATFORM_NAME="x", TRUSTED_APPS=value)
        )
        assert files(imported(leader)) == leaders_bytes(leader)

    @pytest.mark.parametrize(
        "value",
        [
            {"z": 1, "a": {"y": [1.5, "t"], "b": True}},
            [{"b": 1}, "x"],
            12,
            1e21,
            2**60,
            False,
            None,
            {"x": None},
        ],
    )
    def test_any_value_is_preserved(self, value: Any) -> None:
        leader = current(
            template={}, unused={"OTHER_SETTING": value}, TRUSTED_APPS="x OTHER_SETTING y"
        )
        found = compare_files(render_leader_files(leader), {"core": ()})
        assert found.different
        ours = files(imported(leader))["core/core/conf/all.conf"].decode()
        theirs = leaders_bytes(leader)["core/core/conf/all.conf"].decode()
        assert sorted(ours) == sorted(theirs)  # the order of keys may differ

    def test_unused_variable_of_the_release_is_not_unknown(self) -> None:
        """Variables with a description came with the release, whether or not it uses them."""
        platform = (
            b"vars: {G: {settings: {DOMAIN: {value: pryv.acme.test}, "
            b"OF_THE_RELEASE: {value: x, description: Of no use any more}}}}"
        )
        folder = {
            "conf/platform.yml": platform,
            "conf/config-leader.json": b'{"internals": {}, "followers": {}}',
        }
        folder |= {
            f"data/{role}/pryv.yml": b"services: {}" for role in ("core", "reg-master", "static")
        }
        result = imported(read_leader(folder))
        assert "- OF_THE_RELEASE: not used by any template" in result.text("report.md")

    def test_unknown_variable_is_refused_or_skipped(self) -> None:
        leader = current(unused={"PLATFROM_NAME": "x", "LICENSE_NAME": "Acme"})
        with pytest.raises(ImportRefusedError, match=r"^PLATFROM_NAME: .*--skip-unknown"):
            imported(leader)
        result = imported(leader, skip_unknown=True)
        assert spec(result)["variables"].keys() == {"PLATFORM_NAME"}
        assert "- LICENSE_NAME: not used by any template" in result.text("report.md")
        assert result.check == (
            "PLATFROM_NAME: not used by any template, so not imported; check the spelling",
        )

    @pytest.mark.parametrize("filled", [True, False])
    def test_unused_variable_of_the_template_is_not_unknown(self, filled: bool) -> None:
        unused = {"OF_AN_OLD_RELEASE": "x"}
        leader = current(unused=unused if filled else {}, template={**CURRENT, **unused})
        assert not imported(leader).check

    def test_variable_used_by_another_value_is_not_unknown(self) -> None:
        leader = current(unused={"OWN_SITE": "https://acme.test"}, TRUSTED_APPS="*@OWN_SITE")
        assert spec(imported(leader))["variables"]["OWN_SITE"] == "https://acme.test"

    def test_variable_unknown_to_the_built_in_release_is_refused(self) -> None:
        leader = current(unused={"PLATFROM_NAME": "x"})
        with pytest.raises(ImportRefusedError, match="PLATFROM_NAME"):
            imported(leader, release="1.9.2")
        assert "PLATFROM_NAME" in imported(leader, release="1.9.2", skip_unknown=True).text(
            "report.md"
        )

    def test_users_own_variable_is_declared_for_the_built_in_release(self) -> None:
        leader = current(unused={"OWN_SITE": "https://acme.test"}, TRUSTED_APPS="*@OWN_SITE")
        assert (
            spec(imported(leader, release="1.9.2"))["variables"]["OWN_SITE"] == "https://acme.test"
        )

    def test_order_of_keys_is_preserved_without_a_template(self) -> None:
        leader = current(
            DNS_CUSTOM_ENTRIES={"www": {"ip": "203.0.113.9"}, "api": {"ip": "203.0.113.8"}}
        )
        template = archive(imported(leader))["config-leader/conf/template-platform.yml"].decode()
        assert template.index("www") < template.index("api")

    def test_no_port_is_added_while_emails_are_off(self) -> None:
        leader = current(
            EMAIL_ACTIVATION={"welcome": False}, EMAIL_SMTP_SETTINGS={"host": "smtp.acme.test"}
        )
        assert files(imported(leader)) == leaders_bytes(leader)


class TestUnset:
    """Values that are not filled in."""

    def test_default_replaces_it(self) -> None:
        result = imported(
            current(PLATFORM_NAME="REPLACE_ME", DNS_CUSTOM_ENTRIES={"test": {"ip": "REPLACE_ME"}})
        )
        assert "variables" not in spec(result)
        assert {"PLATFORM_NAME", "DNS_CUSTOM_ENTRIES.test.ip"} <= set(result.missing)
        assert b'"platform_name" = pryv.acme.test' in files(result)["core/core/conf/all.conf"]

    def test_unset_part_of_an_object_is_omitted(self) -> None:
        smtp = {
            "host": "smtp.acme.test",
            "port": "REPLACE_ME",
            "auth": {"user": "REPLACE_ME", "pass": "REPLACE_ME"},
        }
        result = imported(current(EMAIL_SMTP_SETTINGS=smtp))
        assert spec(result)["variables"]["EMAIL_SMTP_SETTINGS"] == {
            "host": "smtp.acme.test",
            "port": 587,
        }
        assert {"EMAIL_SMTP_SETTINGS.auth.user", "EMAIL_SMTP_SETTINGS.auth.pass"} <= set(
            result.missing
        )

    def test_text_with_a_placeholder_counts_as_unset(self) -> None:
        result = imported(current(SUPPORT_URL="https://REPLACE_ME/support"))
        assert "SUPPORT_URL" not in spec(result)["variables"]
        assert "SUPPORT_URL" in result.missing

    def test_domain_has_no_default(self) -> None:
        result = imported(current(DOMAIN="REPLACE_ME"))
        assert "domain: REPLACE_ME" in result.text("platform.yaml")
        assert "DOMAIN" in result.missing
        assert "would be refused" in result.text("report.md")

    def test_variable_without_a_default_is_a_placeholder(self) -> None:
        result = imported(current(OTHER_SETTING="REPLACE_ME"))
        assert spec(result)["variables"]["OTHER_SETTING"] == "REPLACE_ME"
        assert "OTHER_SETTING" in result.missing

    def test_own_name_means_unset_in_2019(self) -> None:
        result = imported(
            old(
                SUPPORT_LINK="SUPPORT_LINK",
                CORE_2_IP_ADDRESS="CORE_2_IP_ADDRESS",
                CORE_HOSTING_2="CORE_HOSTING_2",
            )
        )
        assert "variables" not in spec(result)
        assert spec(result)["roles"]["core"] == {
            "instances": [{"name": "co1", "hosting": "geneva", "address": "203.0.113.3"}]
        }
        assert "SUPPORT_LINK" in result.missing

    def test_ungenerated_secret_is_left_to_the_operator(self) -> None:
        result = imported(old(CORE_SYSTEM_KEY="SECRET"))
        assert "CORE_SYSTEM_KEY" not in spec(result)["secrets"]
        assert (
            b'"core_system_key" = generated-core-system-key'
            in files(result)["core/core/conf/all.conf"]
        )


class TestMachines:
    """Addresses, hostings and cores."""

    def test_hostings_and_cores_become_instances(self) -> None:
        hostings = {
            "b": {"co10": {"ip": "203.0.113.10"}, "co2": {"ip": "203.0.113.12"}},
            "a": {"co1": {"ip": "203.0.113.11"}},
        }
        written = spec(imported(current(HOSTINGS_AND_CORES=hostings)))
        assert written["roles"]["core"]["instances"] == [
            {"name": "co1", "hosting": "a", "address": "203.0.113.11"},
            {"name": "co10", "hosting": "b", "address": "203.0.113.10"},
            {"name": "co2", "hosting": "b", "address": "203.0.113.12"},
        ]
        assert "HOSTINGS_AND_CORES" not in written["variables"]

    def test_renamed_hosting_gets_no_provider(self) -> None:
        """Nor does an unknown hosting: the files would differ from the leader's."""
        providers = {
            "hosting1": {"url": "https://hosting1.test", "name": "Hosting 1", "description": ""}
        }
        leader = current(
            HOSTINGS_PROVIDERS=providers, template={**CURRENT, "HOSTINGS_PROVIDERS": providers}
        )
        assert spec(imported(leader))["variables"]["HOSTINGS_PROVIDERS"] == providers
        assert files(imported(leader)) == leaders_bytes(leader)
        documents = read_documents(
            [
                (file.name, file.text)
                for file in imported(leader).files
                if file.name.endswith(".yaml")
            ]
        )
        assert "UnknownHosting" in {
            each.reason
            for each in render_files(prepare_inputs(documents, show_secrets=True).inputs).warnings
        }

    def test_address_may_refer_to_another_variable(self) -> None:
        written = spec(imported(current(STATIC_WEB_IP_ADDRESS="REG_MASTER_IP_ADDRESS")))
        assert written["roles"]["static"] == {"address": "203.0.113.1"}

    def test_core_without_an_address_is_not_imported(self) -> None:
        result = imported(
            current(
                HOSTINGS_AND_CORES={
                    "a": {"co1": {"ip": "203.0.113.3"}},
                    "b": {"co2": {"ip": "REPLACE_ME"}},
                }
            )
        )
        assert [each["name"] for each in spec(result)["roles"]["core"]["instances"]] == ["co1"]
        assert "HOSTINGS_AND_CORES.b.co2.ip" in result.missing

    def test_other_fields_of_a_core_are_preserved(self) -> None:
        hostings = {"geneva": {"co1": {"ip": "203.0.113.3", "name": "first"}}}
        assert (
            spec(imported(current(HOSTINGS_AND_CORES=hostings)))["variables"]["HOSTINGS_AND_CORES"]
            == hostings
        )

    @pytest.mark.parametrize("core", ["Core1", "reg", "1co", "a_b"])
    def test_invalid_core_name_is_refused(self, core: str) -> None:
        with pytest.raises(ImportRefusedError, match=core):
            imported(current(HOSTINGS_AND_CORES={"geneva": {core: {"ip": "203.0.113.3"}}}))

    def test_reg_slave_needs_an_address_of_its_own(self) -> None:
        slave = {"data/reg-slave/pryv.yml": b"services: {}\n"}
        assert spec(imported(current(files=slave, REG_SLAVE_IP_ADDRESS="203.0.113.9")))["roles"][
            "reg-slave"
        ] == {"address": "203.0.113.9"}
        assert (
            "reg-slave"
            not in spec(imported(current(files=slave, REG_SLAVE_IP_ADDRESS="REPLACE_ME")))["roles"]
        )
        assert (
            "reg-slave"
            not in spec(imported(current(files=slave, REG_SLAVE_IP_ADDRESS="203.0.113.1")))["roles"]
        )

    def test_too_long_platform_name_is_refused(self) -> None:
        with pytest.raises(ImportRefusedError, match=r"^--name: .* at most 34 characters"):
            imported(current(), name="a" * 35)
        assert imported(current(), name="a" * 34).files

    @pytest.mark.parametrize(
        ("name", "right"),
        [
            ("acme", True),
            ("a-1", True),
            ("1a", False),
            ("A", False),
            ("a.b", False),
            ("", False),
            ("a-", False),
        ],
    )
    def test_platform_names(self, name: str, right: bool) -> None:
        assert is_platform_name(name) is right


class TestSecrets:
    """Secrets are only in Secrets."""

    def test_internals_and_keys_are_secrets(self) -> None:
        result = imported(current())
        assert secrets(result) == INTERNALS | {"REGISTER_ADMIN_KEY": "register-admin-key-0123"}
        assert next(file for file in result.files if file.name == "secrets.yaml").secret

    def test_keys_of_leader_and_followers_are_not_imported(self) -> None:
        result = imported(old())
        everything = "".join(file.text for file in result.files) + everything_readable(result)
        assert "follower-key" not in everything
        assert "leader-admin-key" not in everything

    def test_secret_inside_an_object(self) -> None:
        mfa = {
            "verify": {
                "url": "https://sms.acme.test",
                "headers": {"authorization": "Bearer 0123456789", "x": "y"},
            }
        }
        result = imported(current(MFA_ENDPOINTS=mfa))
        assert secrets(result)["MFA_ENDPOINTS.verify.headers.authorization"] == "Bearer 0123456789"
        assert spec(result)["variables"]["MFA_ENDPOINTS"] == {
            "verify": {"url": "https://sms.acme.test", "headers": {"x": "y"}}
        }
        assert "Bearer" not in everything_readable(result)

    def test_value_that_contains_a_secret_is_a_secret(self) -> None:
        result = imported(current(SUPPORT_URL="https://acme.test/?key=core-system-key-0123"))
        assert "SUPPORT_URL" in secrets(result)
        assert "core-system-key-0123" not in everything_readable(result)
        assert b"key=core-system-key-0123" in files(result)["core/core/conf/all.conf"]

    def test_templates_with_a_secret_are_kept_in_a_secret(self) -> None:
        result = imported(
            current(files={"data/core/core/conf/more.conf": b"key = core-system-key-0123\n"})
        )
        assert "secretKeyRef" in spec(result)["templates"]["archive"]
        templates = next(file for file in result.files if file.name == "templates.yaml")
        assert templates.secret
        assert "kind: Secret" in templates.text
        assert files(result)["core/core/conf/more.conf"] == b"key = core-system-key-0123\n"

    def test_certificate_becomes_a_tls_secret(self) -> None:
        folder = "data/core/nginx/conf/secret/pryv.acme.test"
        pair = {
            f"{folder}-bundle.crt": b"the chain\n",
            f"{folder}-key.pem": b"-----BEGIN PRIVATE KEY-----\nkey-0123\n",
        }
        result = imported(current(files=pair))
        assert spec(result)["tls"] == {"secretName": "pryv-certificate"}
        assert "key-0123" not in everything_readable(result)
        assert "kubernetes.io/tls" in result.text("secrets.yaml")
        assert not [path for path in archive(result) if path.endswith("-key.pem")]

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
    def test_certificate_in_another_encoding_is_decoded(self, encoding: str) -> None:
        folder = "data/core/nginx/conf/secret/pryv.acme.test"
        key = "-----BEGIN PRIVATE KEY-----\nkey-0123\n"
        pair = {
            f"{folder}-bundle.crt": "the chain\n".encode(encoding),
            f"{folder}-key.pem": key.encode(encoding),
        }
        result = imported(current(files=pair))
        secret = next(
            each
            for each in yaml.safe_load_all(result.text("secrets.yaml"))
            if each.get("type") == "kubernetes.io/tls"
        )
        assert secret["stringData"] == {"tls.crt": "the chain\n", "tls.key": key}

    def test_role_with_a_certificate_of_its_own(self) -> None:
        def pair(role: str, key: bytes) -> dict[str, bytes]:
            folder = f"data/{role}/nginx/conf/secret/pryv.acme.test"
            return {
                f"{folder}-bundle.crt": b"the chain\n",
                f"{folder}-key.pem": b"-----BEGIN PRIVATE KEY-----\n" + key,
            }

        result = imported(
            current(
                files=pair("core", b"one") | pair("reg-master", b"one") | pair("static", b"two")
            )
        )
        assert spec(result)["tls"] == {"secretName": "pryv-certificate"}
        assert spec(result)["roles"]["static"]["tls"] == {"secretName": "pryv-certificate-static"}
        assert "tls" not in spec(result)["roles"]["core"]
        assert result.text("secrets.yaml").count("kubernetes.io/tls") == 2

    @settings(max_examples=examples(40))
    @given(
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).filter(
            lambda text: text != "SECRET"
        )
    )
    def test_any_text_of_a_secret_is_preserved(self, value: str) -> None:
        leader = current(REGISTER_ADMIN_KEY="x" + value)
        result = imported(leader)
        assert secrets(result)["REGISTER_ADMIN_KEY"] == "x" + value
        assert files(result) == leaders_bytes(leader)


def test_apply_command_names_all_files(shared_pryv: Path) -> None:
    result: Imported = imported(
        of_release(shared_pryv, "1.6.12-cluster"), name="acme", namespace="health"
    )
    assert "kubectl apply -f secrets.yaml -f templates.yaml -f platform.yaml" in result.text(
        "report.md"
    )
    assert result.text("platform.yaml").count("namespace: health") == 1
