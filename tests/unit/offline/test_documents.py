"""Resources read from YAML, and what they become without a cluster."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.leader.js_yaml import load_yaml
from pryv_operator.objects import manifest
from pryv_operator.offline.documents import DocumentError, bundle_of, read_documents
from pryv_operator.offline.preview import OfflineError, all_objects, masked, prepare, rendered_files
from tests.unit.templates.archives import reg_master, tgz

ARCHIVED = {
    "conf/platform.yml": b"vars: {G: {settings: {DOMAIN: {value: REPLACE_ME}}}}\n",
    "conf/config-leader.json": b'{"internals": {}, "followers": {}}',
    **{
        f"data/{role}/pryv.yml": b"services:\n  web: {image: a}\n"
        for role in ("core", "reg-master", "static")
    },
}
PLATFORM = """apiVersion: pryv.io/v1alpha1
kind: PryvPlatform
metadata: {name: acme}
spec:
  domain: pryv.acme.test
"""
SECRET = """apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {admin: the-admin-key-0123}
"""
WITH_SECRET = (
    PLATFORM + "  secrets: {REGISTER_ADMIN_KEY: {secretKeyRef: {name: keys, key: admin}}}\n"
)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
)
TEXTS = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    SCALARS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
WORDS = st.sampled_from(
    [
        "y",
        "N",
        "no",
        "On",
        "~",
        "null",
        "1e3",
        "0o17",
        "012",
        "0x1F",
        "1_000",
        "2001-01-01",
        "12:30:45",
        ".inf",
        "<<",
        "=",
        "- a",
        "192.0.2.1",
        "a #b",
    ]
)


def written(value: Any) -> str:
    return manifest.dump([{"value": value}])


class TestManifest:
    """YAML that every reader takes for the same."""

    @given(VALUES | WORDS | st.dictionaries(WORDS, WORDS))
    def test_all_readers_agree(self, value: Any) -> None:
        text = written(value)
        assert load_yaml(text)["value"] == value
        assert yaml.safe_load(text)["value"] == value
        platform = yaml.safe_load(PLATFORM)
        platform["spec"]["variables"] = {"value": value}
        assert read_documents([("f", manifest.dump([platform]))]).platform.spec.variables == {
            "value": value
        }

    def test_texts_without_doubt_have_no_quotes(self) -> None:
        assert written("https://acme.test/support") == "value: https://acme.test/support\n"
        assert written("Acme Health") == "value: Acme Health\n"
        assert written("a\nb\n") == "value: |\n  a\n  b\n"
        assert written("no") == 'value: "no"\n'


class TestReading:
    """What is read, and what is said of what cannot be."""

    def test_several_documents_and_lists(self) -> None:
        items = (
            "apiVersion: v1\nkind: List\nitems:\n- " + SECRET.replace("\n", "\n  ").rstrip() + "\n"
        )
        documents = read_documents([("a", PLATFORM + "---\n" + items), ("b", "---\n")])
        assert documents.platform.name == "acme"
        assert documents.content("Secret", "keys", "admin") == b"the-admin-key-0123"

    def test_base64_and_binary_data(self) -> None:
        encoded = base64.b64encode(b"\x00\xff").decode()
        text = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata: {{a: text}}\nbinaryData: {{b: {encoded}}}\n"
        documents = read_documents([("a", PLATFORM), ("b", text)])
        assert documents.content("ConfigMap", "c", "a") == b"text"
        assert documents.content("ConfigMap", "c", "b") == b"\x00\xff"

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("a: [", "f, line 2: no valid YAML"),
            ("a: 'the-value", "no valid YAML"),
            ("- a", "no Kubernetes object"),
            (SECRET, "there is no"),
            (PLATFORM + "---\n" + PLATFORM, "there is 2"),
            (PLATFORM.replace("pryv.acme.test", "https://x"), r"f: spec\.domain"),
            (PLATFORM.replace("pryv.io/v1alpha1", "pryv.io/v1"), "there is no"),
            (PLATFORM.replace("{name: acme}", "{}"), "metadata.name"),
            (
                PLATFORM
                + "---\n"
                + SECRET.replace("stringData", "data").replace("the-admin-key-0123", "'%'"),
                "base64",
            ),
            (PLATFORM + "---\n" + SECRET.replace("the-admin-key-0123", "12"), "must be a text"),
        ],
    )
    def test_errors_name_the_place(self, text: str, said: str) -> None:
        with pytest.raises(DocumentError, match=said) as caught:
            read_documents([("f", text)])
        assert "the-value" not in str(caught.value)

    def test_unknown_fields_are_said(self) -> None:
        text = (
            PLATFORM
            + "  domian: x\n  roles: {core: {instances: [{name: co1, adress: 192.0.2.1}]}}\n"
        )
        messages = [warning.message for warning in read_documents([("f", text)]).warnings]
        assert [message.split(" ")[0] for message in messages] == [
            "spec.domian",
            "spec.roles.core.instances[0].adress",
        ]

    def test_values_are_read_as_the_tools_of_kubernetes_read_them(self) -> None:
        text = (
            PLATFORM
            + "  variables: {A: no, B: 012, C: 1e3, D: 2001-01-01, E: 12:30, F: 0x10, G: ~, H: '012', I: 1.0}\n"
        )
        variables = read_documents([("f", text)]).platform.spec.variables
        assert variables == {
            "A": False,
            "B": 10,
            "C": 1000.0,
            "D": "2001-01-01",
            "E": "12:30",
            "F": 16,
            "G": None,
            "H": "012",
            "I": 1,
        }

    def test_templates_must_be_among_the_files(self) -> None:
        text = PLATFORM + "  templates: {archive: {configMapKeyRef: {name: t, key: a.tgz}}}\n"
        with pytest.raises(DocumentError, match='ConfigMap "t" not found; pass its file'):
            bundle_of(read_documents([("f", text)]))
        broken = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: t}\nbinaryData: {a.tgz: AAAA}\n"
        with pytest.raises(DocumentError, match=r'key "a\.tgz" of ConfigMap "t": it is no'):
            bundle_of(read_documents([("f", text), ("t", broken)]))

    def test_templates_from_files(self) -> None:
        items = "".join(
            f"    - {{role: {role}, configMapRef: {{name: t}}, items: [{{key: c, path: pryv.yml}}]}}\n"
            for role in ("reg-master", "core", "static")
        )
        text = PLATFORM + "  templates:\n    files:\n" + items
        config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: t}\ndata: {c: 'services: {web: {image: x/y:1}}'}\n"
        prepared = prepare(read_documents([("f", text), ("t", config)]), show_secrets=False)
        rendered, _ = rendered_files(prepared.inputs)
        assert {role: [file.path for file in files] for role, files in rendered.items()} == {
            role: ["pryv.yml"] for role in ("core", "reg-master", "static")
        }


class TestOffline:
    """Without a cluster."""

    def test_names_of_2019_for_cores_are_understood_as_in_the_cluster(self) -> None:
        text = PLATFORM + "  variables: {CORE_1_IP_ADDRESS: 203.0.113.77, CORE_HOSTING_1: zurich}\n"
        rendered, warnings = rendered_files(
            prepare(read_documents([("f", text)]), show_secrets=False).inputs
        )
        register = next(
            file for file in rendered["reg-master"] if file.path.endswith("register.json")
        )
        assert b"203.0.113.77" in register.content
        assert b"zurich" in register.content
        assert warnings == ()

    def test_secrets_are_masked_unless_shown(self) -> None:
        documents = read_documents([("f", WITH_SECRET), ("s", SECRET)])
        for show, there in ((True, b"the-admin-key-0123"), (False, b"masked-register-admin-key")):
            rendered, _ = rendered_files(prepare(documents, show_secrets=show).inputs)
            content = next(
                file for file in rendered["reg-master"] if file.path.endswith("register.json")
            )
            assert there in content.content
            assert content.secret
            found = all_objects(prepare(documents, show_secrets=show).inputs)
            data = [
                base64.b64decode(value)
                for item in found.objects
                if item["kind"] == "Secret"
                for value in item["data"].values()
            ]
            assert any(there in value for value in data)
            assert any(b"the-admin-key-0123" in value for value in data) is show

    def test_what_is_not_known_has_visible_stand_ins(self) -> None:
        prepared = prepare(read_documents([("f", WITH_SECRET)]), show_secrets=True)
        assert [warning.reason for warning in prepared.warnings] == ["SecretNotFound"]
        assert prepared.inputs.secrets["REGISTER_ADMIN_KEY"] == "missing-register-admin-key"
        assert prepared.inputs.secrets["CORE_SYSTEM_KEY"] == "generated-core-system-key"
        assert all(
            address.cluster_ip and address.cluster_ip.startswith("192.0.2.")
            for address in prepared.inputs.addresses.values()
        )

    def test_load_balancers_are_not_waited_for(self) -> None:
        roles = "  roles: {reg-master: {service: {type: LoadBalancer}}, static: {service: {type: LoadBalancer}}}\n"
        assert all_objects(
            prepare(read_documents([("f", PLATFORM + roles)]), show_secrets=False).inputs
        ).objects

    def test_the_files_of_a_slave_elsewhere_are_written_too(self) -> None:
        """Somebody has to bring them there."""
        slave = "  roles: {reg-master: {externalSlave: {loadBalancerSourceRanges: [198.51.100.7/32]}}}\n"
        at = "  variables: {REG_MASTER_VPN_IP_ADDRESS: 10.8.0.1}\n"
        rendered, _ = rendered_files(
            prepare(read_documents([("f", PLATFORM + slave + at)]), show_secrets=False).inputs
        )
        conf = next(file for file in rendered["reg-slave"] if file.path == "redis/conf/redis.conf")
        assert b"replicaof 10.8.0.1 6379" in conf.content
        assert (
            "reg-slave"
            not in rendered_files(
                prepare(read_documents([("f", PLATFORM)]), show_secrets=False).inputs
            )[0]
        )

    def test_a_secret_archive_is_secret_here_too(self) -> None:
        archive = base64.b64encode(tgz(reg_master(ARCHIVED))).decode()
        templates = "  templates: {archive: {KIND: {name: received, key: archive.tgz}}}\n"
        for kind, field, key in (
            ("Secret", "data", "secretKeyRef"),
            ("ConfigMap", "binaryData", "configMapKeyRef"),
        ):
            item = f"apiVersion: v1\nkind: {kind}\nmetadata: {{name: received}}\n{field}: {{archive.tgz: {archive}}}\n"
            documents = read_documents(
                [("f", PLATFORM + templates.replace("KIND", key)), ("a", item)]
            )
            rendered, _ = rendered_files(prepare(documents, show_secrets=False).inputs)
            assert {file.secret for files in rendered.values() for file in files} == {
                kind == "Secret"
            }

    def test_problems_are_said(self) -> None:
        text = PLATFORM + "  variables: {MAX_UPLOAD_SIZE_MB: many}\n"
        with pytest.raises(OfflineError, match="MAX_UPLOAD_SIZE_MB: must be an integer"):
            prepare(read_documents([("f", text)]), show_secrets=False)

    @pytest.mark.parametrize(
        ("text", "stand_in"),
        [
            ("p$$&w", "masked-a-b"),
            ("12345", "0"),
            ('"text"', "masked-a-b"),
            ('{"a": ["x", 1, true, null]}', '{"a": ["masked-a-b", 0, true, null]}'),
        ],
    )
    def test_masks_keep_the_type(self, text: str, stand_in: str) -> None:
        assert masked(text, "A.b") == stand_in
