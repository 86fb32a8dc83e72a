"""A platform and the objects that it refers to, read from YAML files."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.leader.js_yaml import load_yaml
from pryv_operator.objects import manifest
from pryv_operator.offline.documents import DocumentError, load_bundle, read_documents
from tests.unit.offline.texts import PLATFORM, SECRET

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


def dumped(value: Any) -> str:
    return manifest.dump([{"value": value}])


class TestManifest:
    """YAML that all parsers read alike."""

    @given(VALUES | WORDS | st.dictionaries(WORDS, WORDS))
    def test_all_parsers_agree(self, value: Any) -> None:
        text = dumped(value)
        assert load_yaml(text)["value"] == value
        assert yaml.safe_load(text)["value"] == value
        platform = yaml.safe_load(PLATFORM)
        platform["spec"]["variables"] = {"value": value}
        assert read_documents([("f", manifest.dump([platform]))]).platform.spec.variables == {
            "value": value
        }

    def test_unambiguous_texts_have_no_quotes(self) -> None:
        assert dumped("https://acme.test/support") == "value: https://acme.test/support\n"
        assert dumped("Acme Health") == "value: Acme Health\n"
        assert dumped("a\nb\n") == "value: |\n  a\n  b\n"
        assert dumped("no") == 'value: "no"\n'


class TestReading:
    """Objects that are read, and errors."""

    def test_several_documents_and_lists(self) -> None:
        items = (
            "apiVersion: v1\nkind: List\nitems:\n- " + SECRET.replace("\n", "\n  ").rstrip() + "\n"
        )
        documents = read_documents([("a", PLATFORM + "---\n" + items), ("b", "---\n")])
        assert documents.platform.name == "acme"
        assert documents.content("Secret", "keys", "admin") == b"the-admin-key-0123"

    def test_base64_and_binary_data(self) -> None:
        encoded = base64.b64encode(b"\x00\xff").decode()
        text = f"""apiVersion: v1
kind: ConfigMap
metadata: {{name: c}}
data: {{a: text}}
binaryData: {{b: {encoded}}}
"""
        documents = read_documents([("a", PLATFORM), ("b", text)])
        assert documents.content("ConfigMap", "c", "a") == b"text"
        assert documents.content("ConfigMap", "c", "b") == b"\x00\xff"

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a: [", "f, line 2: not valid YAML"),
            ("a: 'the-value", "not valid YAML"),
            ("- a", "not a Kubernetes object"),
            (SECRET, "found 0 objects"),
            (PLATFORM + "---\n" + PLATFORM, "found 2 objects"),
            (PLATFORM.replace("pryv.acme.test", "https://x"), r"f: spec\.domain"),
            (PLATFORM.replace("pryv.io/v1alpha1", "pryv.io/v1"), "found 0 objects"),
            (PLATFORM.replace("{name: acme}", "{}"), "metadata.name"),
            (
                PLATFORM
                + "---\n"
                + SECRET.replace("stringData", "data").replace("the-admin-key-0123", "'%'"),
                "base64",
            ),
            (PLATFORM + "---\n" + SECRET.replace("the-admin-key-0123", "12"), "not a map of texts"),
        ],
    )
    def test_errors_name_the_place(self, text: str, message: str) -> None:
        with pytest.raises(DocumentError, match=message) as caught:
            read_documents([("f", text)])
        assert "the-value" not in str(caught.value)

    def test_unknown_fields_are_warned_about(self) -> None:
        text = (
            PLATFORM
            + "  domian: x\n  roles: {core: {instances: [{name: co1, adress: 192.0.2.1}]}}\n"
        )
        messages = [warning.message for warning in read_documents([("f", text)]).warnings]
        assert [message.partition(":")[0] for message in messages] == [
            'unknown field "spec.domian"',
            'unknown field "spec.roles.core.instances[0].adress"',
        ]

    def test_all_problems_are_listed_in_the_words_of_the_api_server(self) -> None:
        """Compared with the answers of kube-apiserver 1.36 to the same fields."""
        text = PLATFORM + (
            '  foo: 1\n  stopped: "yes"\n  deletionPolicy: Keep\n  imagePullSecrets: {}\n'
            "  release: x y\n  roles: {static: 7, core: {instances: [{hostign: x}], "
            "components: {hfs: {replicas: many}}}}\n"
        )
        with pytest.raises(DocumentError) as found:
            read_documents([("f", text)])
        lines = str(found.value).splitlines()
        assert all(line.startswith("f: ") for line in lines)

        def wrong(path: str, got: str, expected: str) -> str:
            reason = f'{path} in body must be of type {expected}: "{got}"'
            return f'{path}: Invalid value: "{got}": {reason}'

        assert {
            'strict decoding error: unknown field "spec.foo"',
            'strict decoding error: unknown field "spec.roles.core.instances[0].hostign"',
            wrong("spec.stopped", "string", "boolean"),
            'spec.deletionPolicy: Unsupported value: supported values: "Retain", "Delete"',
            wrong("spec.imagePullSecrets", "object", "array"),
            "spec.roles.core.instances[0].name: Required value",
            wrong("spec.roles.core.components.hfs.replicas", "string", "integer"),
            wrong("spec.roles.static", "integer", "object"),
        } <= {line.removeprefix("f: ") for line in lines}
        assert any(line.startswith("f: spec.release: ") for line in lines)
        assert "many" not in str(found.value)

    def test_values_are_read_as_kubectl_reads_them(self) -> None:
        text = (
            PLATFORM + "  variables: {A: no, B: 012, C: 1e3, D: 2001-01-01, E: 12:30, F: 0x10, "
            "G: ~, H: '012', I: 1.0}\n"
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
            load_bundle(read_documents([("f", text)]))
        broken = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: t}\nbinaryData: {a.tgz: AAAA}\n"
        with pytest.raises(DocumentError, match=r'key "a\.tgz" of ConfigMap "t": not a'):
            load_bundle(read_documents([("f", text), ("t", broken)]))
