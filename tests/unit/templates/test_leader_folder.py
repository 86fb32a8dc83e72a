"""A leader's folder: what its variables become, its own bytes again, and clear errors."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.api import secret_variables
from pryv_operator.leader.listing import is_written_by_follower
from pryv_operator.leader.platform_yml import UNDEFINED
from pryv_operator.leader.taint import Value
from pryv_operator.rendering.files import render
from pryv_operator.templates.bundle import UNSET, Variable
from pryv_operator.templates.leader_conf import LeaderError
from pryv_operator.templates.leader_folder import (
    Follower,
    Leader,
    files_in,
    find_leader_folders,
    read_leader,
)
from pryv_operator.values.catalogue import Catalogue
from pryv_operator.values.resolve import resolve
from tests.unit.templates.archives import folder, release_files

RELEASES = (
    "1.6.12-cluster",
    "1.7.3-single-node",
    "1.9.2-cluster",
    "1.9.2-single-node",
    "2019-seed-era",
)
SYSTEM_KEYS = ("SSO_COOKIE_SIGN_SECRET", "CORE_SYSTEM_KEY")
ROLES = {f"data/{role}/pryv.yml": b"services: {}\n" for role in ("core", "reg-master", "static")}


def _settings(**changes: Any) -> bytes:
    document = {
        "internals": dict.fromkeys(SYSTEM_KEYS, "SECRET"),
        "followers": {"follower-key-1": {"url": "https://co1.DOMAIN", "role": "core"}},
    }
    return json.dumps(
        {key: value for key, value in (document | changes).items() if value is not None}
    ).encode()


def _platform(optional: bool = False, **variables: Any) -> bytes:
    settings = {name: {"value": value} for name, value in variables.items()}
    return json.dumps(
        {"vars": {"G": {"name": "G", "optional": optional, "settings": settings}}}
    ).encode()


def _leader(files: Mapping[str, bytes] | None = None, **variables: Any) -> Leader:
    """A leader of 1.9 with these values, and no template."""
    return read_leader(
        {
            "conf/platform.yml": _platform(**variables),
            "conf/config-leader.json": _settings(),
            **ROLES,
        }
        | dict(files or {})
    )


def _old_leader(template: Mapping[str, Any] | None = None, **platform: Any) -> Leader:
    """A leader of 2019."""
    files = {
        "conf/config-leader.json": _settings(
            internals=None, platform=platform, adminKey="LEADER_ADMIN_KEY"
        ),
        **ROLES,
    }
    if template is not None:
        files["conf/template-config-leader.json"] = _settings(internals=None, platform=template)
    return read_leader(files)


def _variable(leader: Leader, name: str) -> Variable:
    return leader.bundle.variables[name]


class TestReleases:
    """The leaders of Pryv's own releases."""

    @pytest.mark.parametrize("release", RELEASES)
    @pytest.mark.parametrize("source", ["order", "values"])
    def test_rendered_bytes_equal_the_leaders(
        self, shared_pryv: Path, release: str, source: str
    ) -> None:
        leader = read_leader(release_files(shared_pryv / "releases", release))
        values = leader.order if source == "order" else {**leader.internals, **leader.values}
        rendered = render(
            leader.bundle, {name: Value(value) for name, value in values.items()}, order="leader"
        )
        expected = folder(shared_pryv / "releases" / release / "expected")
        assert {
            f"{role}/{file.path}": file.content
            for role, files in rendered.items()
            for file in files
        } == {
            path: content
            for path, content in expected.items()
            if is_written_by_follower(path.partition("/")[2])
        }

    @pytest.mark.parametrize("release", RELEASES)
    def test_the_bundle_has_no_secrets(self, shared_pryv: Path, release: str) -> None:
        leader = read_leader(release_files(shared_pryv / "releases", release))
        secrets = [*leader.internals.values()] + [
            leader.values.get(name) for name in secret_variables.SECRET_VARIABLES
        ]
        smtp = leader.values.get("EMAIL_SMTP_SETTINGS")
        secrets += [smtp["auth"]["pass"]] if isinstance(smtp, dict) else []
        shown = repr(dict(leader.bundle.variables))
        assert len([secret for secret in secrets if secret]) >= 5
        assert not [secret for secret in secrets if secret and repr(secret)[1:-1] in shown]

    @pytest.mark.parametrize("release", RELEASES)
    def test_only_computed_variables_are_left_to_set(self, shared_pryv: Path, release: str) -> None:
        """With computed and generated values, all variables of a platform resolve."""
        root = shared_pryv / "releases" / release
        for files in (
            release_files(shared_pryv / "releases", release),
            folder(root / "config-leader"),
        ):
            bundle = read_leader(files).bundle
            names = Catalogue(bundle.variables)
            computed = {
                name: _anything(variable)
                for name, variable in bundle.variables.items()
                if variable.computed
            }
            resolved = resolve(
                names,
                computed=computed,
                configured={},
                secrets=dict.fromkeys(names.to_generate([], []), "s3cret"),
            )
            assert resolved.problems == ()

    def test_version_and_generation_of_each_release(self, shared_pryv: Path) -> None:
        leaders = {
            release: read_leader(release_files(shared_pryv / "releases", release))
            for release in RELEASES
        }
        assert [leader.generation for leader in leaders.values()] == ["1.6+"] * 4 + ["2019"]
        assert [leader.bundle.version for leader in leaders.values()] == [
            "1.6.12",
            "1.7.3",
            "1.9.0",
            "1.9.0",
            "2019",
        ]
        assert set(leaders["1.9.2-single-node"].bundle.roles) == {"singlenode"}
        assert set(leaders["2019-seed-era"].bundle.roles) == {
            "core",
            "reg-master",
            "reg-slave",
            "static",
        }
        assert leaders["2019-seed-era"].followers[0] == Follower("https://co1.DOMAIN", "core")
        assert all(leader.unset == () for leader in leaders.values())

    def test_the_folder_of_2019_as_shipped(self, shared_pryv: Path) -> None:
        leader = read_leader(folder(shared_pryv / "releases" / "2019-seed-era" / "config-leader"))
        assert "DOMAIN" in leader.unset
        assert "CORE_MAIL_KEY" not in leader.unset
        assert set(leader.values.values()) == {"SECRET"}
        computed = {name for name, variable in leader.bundle.variables.items() if variable.computed}
        assert {
            "CORE_1_IP_ADDRESS",
            "CORE_HOSTING_2",
            "SERVICE_WEBSITE_IP_ADDRESS",
            "REG_MASTER_VPN_IP_ADDRESS",
            "DOMAIN",
        } <= computed
        assert _variable(leader, "MAIL_SMTP_PORT").default == "587"
        assert Catalogue(leader.bundle.variables).to_generate([], []) == (
            "CORE_MAIL_KEY",
            "CORE_SYSTEM_KEY",
            "FILES_READ_TOKEN_SECRET",
            "REGISTER_ADMIN_KEY_1",
            "REGISTER_SYSTEM_KEY_1",
            "SSO_COOKIE_SIGN_SECRET",
        )


def _anything(variable: Variable) -> Any:
    return {"object": {}, "array": []}.get(variable.type, "192.0.2.1")


class TestVariables:
    """From a template's values to variables."""

    @pytest.mark.parametrize(
        ("value", "kind"),
        [
            ("x", "string"),
            ("", "string"),
            (1, "number"),
            (1.5, "number"),
            (True, "boolean"),
            (None, "any"),
            ({}, "object"),
            ([], "array"),
            ('[{"id": 1}]', "any"),
            (' {"a": 1}', "any"),
            ("[not json", "string"),
            ("{{ x }}", "string"),
            ("REPLACE_ME", "string"),
        ],
    )
    def test_types(self, value: Any, kind: str) -> None:
        assert _variable(_leader(THING=value), "THING").type == kind

    def test_different_types_of_default_and_value_allow_any(self) -> None:
        template = {"conf/template-platform.yml": _platform(A={"a": 1}, B=60, C="x", D="x", E=None)}
        leader = _leader(template, A=None, B="60", C=5, D=["x"], E=["token"])
        assert [_variable(leader, name).type for name in "ABCDE"] == [
            "any",
            "any",
            "string",
            "any",
            "any",
        ]

    def test_defaults_come_from_the_template_and_values_from_the_platform(self) -> None:
        leader = _leader(
            {"conf/template-platform.yml": _platform(COLOUR="red", NEW=1, DOMAIN="REPLACE_ME")},
            COLOUR="blue",
            DOMAIN="x.org",
            OLD=2,
        )
        assert leader.has_template
        assert leader.values == {"COLOUR": "blue", "DOMAIN": "x.org", "OLD": 2}
        assert (
            _variable(leader, "COLOUR").default,
            _variable(leader, "NEW").default,
            _variable(leader, "OLD").default,
        ) == ("red", 1, 2)
        assert list(leader.order) == [*SYSTEM_KEYS, "COLOUR", "DOMAIN", "OLD"]
        assert not _leader(COLOUR="blue").has_template

    def test_unset_variables_are_required(self) -> None:
        leader = _leader(COLOUR="REPLACE_ME", SHAPE={"a": "REPLACE_ME"})
        assert all(
            _variable(leader, name).required and _variable(leader, name).default is UNSET
            for name in ("COLOUR", "SHAPE")
        )
        assert leader.unset == ("COLOUR", "SHAPE.a")
        assert leader.values == {"SHAPE": {"a": "REPLACE_ME"}}

    def test_optional_variables_are_empty(self) -> None:
        files = {
            "conf/platform.yml": _platform(
                optional=True,
                COLOUR="REPLACE_ME",
                SHAPE={"a": "x REPLACE_ME", "b": 1, "c": ["REPLACE_ME", 2]},
            )
        }
        leader = _leader(files)
        assert _variable(leader, "COLOUR").default == ""
        assert _variable(leader, "SHAPE").default == {"a": "", "b": 1, "c": [2]}
        assert not _variable(leader, "COLOUR").required

    def test_known_variables_are_as_in_the_built_in_release(self) -> None:
        leader = _leader(
            PLATFORM_NAME="REPLACE_ME",
            SUPPORT_URL="REPLACE_ME",
            LICENSE_NAME="REPLACE_ME",
            DNS_CUSTOM_ENTRIES={"test": {"ip": "REPLACE_ME"}},
            EMAIL_SENDER={"name": "REPLACE_ME", "address": "REPLACE_ME"},
            EMAIL_SMTP_SETTINGS={
                "host": "REPLACE_ME",
                "port": "REPLACE_ME",
                "auth": {"user": "REPLACE_ME", "pass": "REPLACE_ME"},
            },
        )
        defaults = {name: variable.default for name, variable in leader.bundle.variables.items()}
        assert defaults["PLATFORM_NAME"] == "DOMAIN"
        assert defaults["SUPPORT_URL"] == "https://sw.DOMAIN/support"
        assert defaults["LICENSE_NAME"] == "Pryv.io"
        assert defaults["DNS_CUSTOM_ENTRIES"] == {}
        assert defaults["EMAIL_SENDER"] == {"name": "DOMAIN", "address": "no-reply@DOMAIN"}
        assert defaults["EMAIL_SMTP_SETTINGS"] == {
            "host": "localhost",
            "port": 587,
            "auth": {"user": "", "pass": ""},
        }

    def test_addresses_and_hostings_are_computed(self) -> None:
        leader = _leader(
            DOMAIN="REPLACE_ME",
            STATIC_WEB_IP_ADDRESS="REPLACE_ME",
            SINGLE_MACHINE_IP_ADDRESS="192.0.2.7",
            HOSTINGS_AND_CORES={"hosting1": {"co1": {"ip": "REPLACE_ME"}}},
            HOSTINGS_PROVIDERS={"hosting1": {"url": "https://h", "name": "H", "description": ""}},
            NAME_SERVER_ENTRIES=[
                {"name": "REPLACE_ME-dns1.REPLACE_ME", "ip": "REG_MASTER_IP_ADDRESS"}
            ],
            REG_MASTER_PUBLIC_INTERFACE_IP_ADDRESS="REG_MASTER_IP_ADDRESS",
        )
        variables = {
            name: variable
            for name, variable in leader.bundle.variables.items()
            if not variable.secret
        }
        assert {name for name, variable in variables.items() if not variable.computed} == {
            "REG_MASTER_PUBLIC_INTERFACE_IP_ADDRESS"
        }
        assert not any(variable.required for variable in variables.values())
        # An old machine's address is not a default; the order of an object's keys is worth keeping.
        assert {
            name
            for name, variable in variables.items()
            if variable.computed and variable.default is not UNSET
        } == {"HOSTINGS_PROVIDERS"}

    def test_a_missing_core_is_the_first_one(self) -> None:
        leader = _old_leader(
            CORE_1_IP_ADDRESS="CORE_1_IP_ADDRESS",
            CORE_2_IP_ADDRESS="CORE_2_IP_ADDRESS",
            CORE_HOSTING_2="CORE_HOSTING_2",
        )
        assert _variable(leader, "CORE_1_IP_ADDRESS").default is UNSET
        assert _variable(leader, "CORE_2_IP_ADDRESS").default == "CORE_1_IP_ADDRESS"
        assert _variable(leader, "CORE_HOSTING_2").default is UNSET

    def test_secrets_are_not_defaults(self) -> None:
        leader = _leader(
            REGISTER_ADMIN_KEY="k1",
            EMAIL_SMTP_SETTINGS={"auth": {"user": "u", "pass": "k2"}, "host": "h"},
            MFA_ENDPOINTS={"verify": {"headers": {"authorization": "k3"}}},
            MFA_SMS_API_SETTINGS={"endpoints": {}, "auth": "k4"},
        )
        names = Catalogue(leader.bundle.variables)
        assert names.to_generate([], []) == (
            "CORE_SYSTEM_KEY",
            "REGISTER_ADMIN_KEY",
            "SSO_COOKIE_SIGN_SECRET",
        )
        assert _variable(leader, "REGISTER_ADMIN_KEY").default is UNSET
        assert _variable(leader, "EMAIL_SMTP_SETTINGS").default == {
            "auth": {"user": "u", "pass": ""},
            "host": "h",
        }
        assert _variable(leader, "MFA_ENDPOINTS").default == {
            "verify": {"headers": {"authorization": ""}}
        }
        assert _variable(leader, "MFA_SMS_API_SETTINGS").default == {"endpoints": {}, "auth": ""}
        for place in (
            "MFA_SMS_API_SETTINGS.auth",
            "EMAIL_SMTP_SETTINGS.auth.pass",
            "MAIL_SMTP_PASS",
        ):
            assert names.is_secret(names.place(place)), place

    def test_a_secret_of_2019_that_is_known_by_its_value_only(self) -> None:
        leader = _old_leader(
            OWN_KEY="SECRET", MAIL_SMTP_PASS="pa$$", template={"OTHER_KEY": "SECRET"}
        )
        assert Catalogue(leader.bundle.variables).to_generate([], []) == ("OTHER_KEY", "OWN_KEY")
        assert _variable(leader, "MAIL_SMTP_PASS").default == ""
        assert leader.values["MAIL_SMTP_PASS"] == "pa$$"

    @pytest.mark.parametrize(
        ("given", "variable", "value"),
        [
            ({"SUPPORT_LINK": "https://s"}, "SUPPORT_URL", "https://s"),
            ({"SERVICE_WEBSITE_IP_ADDRESS": "192.0.2.5"}, "DNS_ROOT_DOMAIN_A_RECORD", "192.0.2.5"),
            ({"MAIL_FROM_NAME": "Me"}, "EMAIL_SENDER", {"name": "Me", "address": "a"}),
        ],
    )
    def test_names_of_2019_for_a_later_release(
        self, given: dict[str, Any], variable: str, value: Any
    ) -> None:
        leader = _leader(
            SUPPORT_URL="x",
            DNS_ROOT_DOMAIN_A_RECORD="REPLACE_ME",
            EMAIL_SENDER={"name": "n", "address": "a"},
        )
        resolved = resolve(
            Catalogue(leader.bundle.variables),
            computed={"DNS_ROOT_DOMAIN_A_RECORD": "192.0.2.1"},
            configured=given,
            secrets={},
        )
        assert resolved.values[variable].value == value

    def test_later_names_for_a_release_of_2019(self) -> None:
        names = (
            "SUPPORT_LINK",
            "TERMS_OF_USE_LINK",
            "REGISTER_ADMIN_KEY_1",
            "SERVICE_WEBSITE_IP_ADDRESS",
            "MAIL_FROM_NAME",
            "MAIL_SMTP_PASS",
        )
        leader = _old_leader(**{name: name for name in names})
        assert [_variable(leader, name).aliases for name in names] == [
            ("SUPPORT_URL",),
            ("TERMS_OF_USE_URL",),
            ("REGISTER_ADMIN_KEY",),
            ("DNS_ROOT_DOMAIN_A_RECORD",),
            ("EMAIL_SENDER.name",),
            ("EMAIL_SMTP_SETTINGS.auth.pass",),
        ]
        place = Catalogue(leader.bundle.variables).place
        assert str(place("SUPPORT_URL")) == "SUPPORT_LINK"
        assert str(place("REGISTER_ADMIN_KEY")) == "REGISTER_ADMIN_KEY_1"


class TestValues:
    """Configured values."""

    def test_dates_and_odd_numbers_render_as_the_leader_wrote_them(self) -> None:
        text = (
            "vars: {G: {settings: {A: {value: 2001-12-14}, B: {value: [2001-12-14]}, "
            "C: {value: .inf}, D: {value: [.nan]}, E: {}}}}"
        )
        leader = _leader({"conf/platform.yml": text.encode(), "data/core/x": b"A B C D"})
        assert leader.order["A"] == datetime(2001, 12, 14, tzinfo=UTC)
        assert leader.order["E"] is UNDEFINED
        assert leader.unset == ("E",)
        both = [
            render(leader.bundle, {name: Value(value) for name, value in given.items()})
            for given in (leader.order, leader.values)
        ]
        assert both[0]["core"] == both[1]["core"]

    def test_integer_like_names_come_first(self) -> None:
        assert list(_leader(A=1, **{"7": 2}).order) == ["7", *SYSTEM_KEYS, "A"]
        assert list(_old_leader(A=1, **{"7": 2}).order) == ["7", "A"]

    def test_conf_files_by_preference(self) -> None:
        files = {
            "conf/template-platform.yml": _platform(A=1),
            "conf/template-config-leader.json": _settings(),
            **ROLES,
        }
        assert read_leader(files).values == {"A": 1}
        files |= {
            "conf/platform.yml": _platform(A=2),
            "conf/config-leader.json": b"\xef\xbb\xbf" + _settings(internals={"K": "v"}),
        }
        leader = read_leader(files)
        assert (leader.values, leader.internals) == ({"A": 2}, {"K": "v"})

    def test_internals_that_are_not_filled_in_are_unset(self) -> None:
        leader = _leader(
            {
                "conf/config-leader.json": _settings(
                    internals={"A_KEY": "REPLACE_ME", "B_KEY": "SECRET"}
                )
            }
        )
        assert leader.internals == {"B_KEY": "SECRET"}
        assert leader.unset == ("A_KEY",)

    def test_representations_hide_values(self) -> None:
        leader = _leader(
            {"conf/config-leader.json": _settings(internals={"A_KEY": "canary-1"})},
            REGISTER_ADMIN_KEY="canary-2",
        )
        assert "canary" not in repr(leader)
        assert "follower-key" not in repr(leader)


class TestFolders:
    """Which files are templates, and finding the leader's folder."""

    def test_files_outside_of_roles_are_ignored(self) -> None:
        leader = _leader(
            {
                "data/credentials.txt": b"x",
                "data/.git/config": b"x",
                "data/core/log/.gitkeep": b"",
                "log/x": b"",
            }
        )
        assert {role: sorted(files) for role, files in leader.bundle.roles.items()} == {
            "core": ["log/.gitkeep", "pryv.yml"],
            "reg-master": ["pryv.yml"],
            "static": ["pryv.yml"],
        }

    def test_finding(self) -> None:
        assert find_leader_folders(["conf/platform.yml", "data/core/a"]) == ("",)
        assert find_leader_folders(
            ["a/b/conf/config-leader.json", "a/xconf/platform.yml", "conf.d/platform.yml"]
        ) == ("a/b",)
        assert find_leader_folders(
            ["a/conf/platform.yml", "b/conf/platform.yml", "b/data/core/x"]
        ) == ("b",)
        assert files_in({"a/b": b"1", "ab/c": b"2"}, "a") == {"b": b"1"}
        assert files_in({"a/b": b"1"}, "") == {"a/b": b"1"}

    def test_finding_among_many_files_is_fast(self) -> None:
        paths = [
            f"{number}/{name}"
            for number in range(5000)
            for name in ("conf/platform.yml", "data/core/pryv.yml")
        ]
        started = time.process_time()
        assert len(find_leader_folders(paths)) == 5000
        assert time.process_time() - started < 2


class TestErrors:
    """Errors name file and line, and hold no value."""

    @pytest.mark.parametrize(
        ("files", "words"),
        [
            (
                {"conf/platform.yml": b"vars:\n  G:\n   - x\n  canary: ]"},
                r"conf/platform\.yml, line 4, column \d+: not valid YAML",
            ),
            (
                {"conf/platform.yml": b"vars: {G: {settings: {A: {value: 1}, A: {value: 2}}}}"},
                r"platform\.yml, line 1.*duplicated",
            ),
            ({"conf/platform.yml": b"canary"}, r"conf/platform\.yml: not a platform\.yml"),
            ({"conf/platform.yml": b"vars: {G: 1}"}, r"vars\.G: it has no map"),
            ({"conf/platform.yml": b"a: \0"}, r"conf/platform\.yml: not valid YAML"),
            (
                {"conf/template-platform.yml": b"vars:\n\tx: 1"},
                r"conf/template-platform\.yml, line 2",
            ),
            (
                {"conf/config-leader.json": b'{\n  "internals": {"A": canary}\n}'},
                r"leader\.json, line 2, column 22: not valid JSON",
            ),
            ({"conf/config-leader.json": b'{"internals": {"A": NaN}}'}, "NaN"),
            ({"conf/config-leader.json": b"[" * 100_000}, "config-leader.json"),
            ({"conf/config-leader.json": b"[]"}, "not a JSON object"),
            ({"conf/config-leader.json": b"{}"}, 'it has no map "internals"'),
            ({"conf/config-leader.json": _settings(followers={"canary": {"url": 1}})}, "followers"),
            ({"conf/config-leader.json": _settings(followers=["canary"])}, "followers"),
            ({"conf/config-leader.json": b" " * 600_000}, "512 KiB"),
            (
                {"conf/platform.yml": _platform(**{f"V{number}": 1 for number in range(3000)})},
                "2000 variables",
            ),
            (
                {"conf/platform.yml": _platform(A=json.loads("[" * 150 + "]" * 150))},
                "variable A: its value is nested deeper",
            ),
        ],
    )
    def test_malformed_files(self, files: dict[str, bytes], words: str) -> None:
        with pytest.raises(LeaderError, match=words) as failure:
            _leader(files, A="1")
        assert "canary" not in f"{failure.value}{failure.value!r}{failure.value.__context__}"

    @pytest.mark.parametrize(
        ("missing", "words"),
        [
            ("conf/platform.yml", r"conf/platform\.yml: file not found.*2019"),
            ("conf/config-leader.json", r"conf/config-leader\.json: file not found"),
            (
                "data/core/pryv.yml",
                r"data: no templates for role core \(found: reg-master, static\)",
            ),
        ],
    )
    def test_missing_files(self, missing: str, words: str) -> None:
        files = {
            "conf/platform.yml": _platform(A=1),
            "conf/config-leader.json": _settings(),
            **ROLES,
        }
        del files[missing]
        with pytest.raises(LeaderError, match=words):
            read_leader(files)

    def test_roles(self) -> None:
        conf = {"conf/platform.yml": _platform(A=1), "conf/config-leader.json": _settings()}
        with pytest.raises(LeaderError, match="data: no templates found"):
            read_leader(conf, complete=False)
        some = conf | {"data/core/core/conf/core.yml": b"a: A\n"}
        with pytest.raises(LeaderError, match="role reg-master, static"):
            read_leader(some)
        assert set(read_leader(some, complete=False).bundle.roles) == {"core"}
        without_compose = {
            path: content
            for path, content in (conf | ROLES | some).items()
            if path != "data/core/pryv.yml"
        }
        with pytest.raises(LeaderError, match=r"data/core/pryv\.yml: file not found"):
            read_leader(without_compose)
        assert set(read_leader(conf | {"data/singlenode/pryv.yml": b""}).bundle.roles) == {
            "singlenode"
        }

    def test_exploding_values_are_refused_fast(self) -> None:
        lines = [
            "a0: &a0 [x, x]",
            *(f"a{number}: &a{number} [*a{number - 1}, *a{number - 1}]" for number in range(1, 60)),
        ]
        bomb = "\n".join(
            [
                "vars:",
                "  G:",
                "    settings:",
                "      A:",
                "        value:",
                *(f"          {line}" for line in lines),
            ]
        )
        long = (
            f"vars: {{G: {{settings: {{A: {{value: [&a {'x' * 100_000}, {'*a, ' * 50_000}]}}}}}}}}"
        )
        for text in (bomb, long):
            started = time.process_time()
            with pytest.raises(LeaderError, match="all values together"):
                _leader({"conf/platform.yml": text.encode()})
            assert time.process_time() - started < 3


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text("REPLACE_ME ab\ud800", max_size=12)
    | st.just("REPLACE_ME"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("ab.REPLACE_ME", max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
_NAMES = st.sampled_from(
    [
        "A",
        "7",
        "",
        "DOMAIN",
        "EMAIL_SMTP_SETTINGS",
        "MAIL_SMTP_PASS",
        "CORE_1_IP_ADDRESS",
        "REGISTER_ADMIN_KEY",
        "HOSTINGS_PROVIDERS",
        "TEMPLATE_VERSION",
        "MFA_ENDPOINTS",
        "SERVICE_WEBSITE_IP_ADDRESS",
        "CORE_SYSTEM_KEY",
    ]
)


@given(
    st.dictionaries(_NAMES, _JSON, max_size=4),
    st.dictionaries(_NAMES, _JSON, max_size=4),
    st.booleans(),
)
def test_any_values_give_variables_without_gaps(
    shipped: dict[str, Any], filled: dict[str, Any], is_old: bool
) -> None:
    """The defaults can be used by a Catalogue and the renderer."""
    try:
        if is_old:
            leader = _old_leader(template=shipped, **filled)
        else:
            leader = _leader({"conf/template-platform.yml": _platform(**shipped)}, **filled)
    except LeaderError:
        return
    for name, variable in leader.bundle.variables.items():
        assert variable.name == name
        assert not (variable.required and variable.default is not UNSET)
        if variable.default is not UNSET:
            assert secret_variables.REPLACE_ME not in json.dumps(variable.default)
            assert not variable.secret
    assert set(leader.values) | set(leader.internals) <= set(leader.bundle.variables)
    Catalogue(leader.bundle.variables).to_generate([], [])


@given(
    st.sampled_from(["conf/platform.yml", "conf/config-leader.json", "conf/template-platform.yml"]),
    st.lists(
        st.tuples(
            st.integers(0, 200),
            st.binary(max_size=4)
            | st.sampled_from([b"&a ", b"*a", b"<<: ", b"[", b"{", b"\xff", b"!!int "]),
        )
    ),
)
def test_changed_conf_files_are_read_or_refused(
    file: str, changes: list[tuple[int, bytes]]
) -> None:
    files = {
        "conf/platform.yml": _platform(A=1, B={"c": ["d"]}),
        "conf/config-leader.json": _settings(),
        **ROLES,
    }
    content = bytearray(files.get(file, files["conf/platform.yml"]))
    for at, piece in changes:
        content[at : at + len(piece)] = piece
    try:
        read_leader(files | {file: bytes(content)})
    except LeaderError as error:
        assert str(error).isprintable()
