"""Platforms rendered without a cluster."""

from __future__ import annotations

import base64

import pytest

from pryv_operator.desired.inputs import Inputs
from pryv_operator.offline.documents import read_documents
from pryv_operator.offline.placeholders import masked_secret
from pryv_operator.offline.preview import (
    OfflineError,
    prepare_inputs,
    render_files,
    render_objects,
)
from pryv_operator.rendering.files import RenderedFile
from tests.unit.offline.texts import PLATFORM, SECRET
from tests.unit.templates.archives import reg_master, tgz

ARCHIVED = {
    "conf/platform.yml": b"vars: {G: {settings: {DOMAIN: {value: REPLACE_ME}}}}\n",
    "conf/config-leader.json": b'{"internals": {}, "followers": {}}',
    **{
        f"data/{role}/pryv.yml": b"services:\n  web: {image: a}\n"
        for role in ("core", "reg-master", "static")
    },
}
WITH_SECRET = (
    PLATFORM + "  secrets: {REGISTER_ADMIN_KEY: {secretKeyRef: {name: keys, key: admin}}}\n"
)


def inputs(*texts: str, show_secrets: bool = False) -> Inputs:
    """The inputs of the platform in some files."""
    documents = read_documents((f"file {number}", text) for number, text in enumerate(texts))
    return prepare_inputs(documents, show_secrets=show_secrets).inputs


def register_json(found: Inputs) -> RenderedFile:
    """A file that holds the admin key, and the cores with their addresses."""
    files = render_files(found).by_role["reg-master"]
    return next(file for file in files if file.path.endswith("register.json"))


def test_templates_from_files() -> None:
    items = "".join(
        f"    - {{role: {role}, configMapRef: {{name: t}}, items: [{{key: c, path: pryv.yml}}]}}\n"
        for role in ("reg-master", "core", "static")
    )
    config_map = """apiVersion: v1
kind: ConfigMap
metadata: {name: t}
data: {c: 'services: {web: {image: x/y:1}}'}
"""
    found = render_files(inputs(PLATFORM + "  templates:\n    files:\n" + items, config_map))
    assert {role: [file.path for file in files] for role, files in found.by_role.items()} == {
        role: ["pryv.yml"] for role in ("core", "reg-master", "static")
    }


def test_variables_of_2019_set_fields_of_cores() -> None:
    text = PLATFORM + "  variables: {CORE_1_IP_ADDRESS: 203.0.113.77, CORE_HOSTING_1: zurich}\n"
    file = register_json(inputs(text))
    assert b"203.0.113.77" in file.content
    assert b"zurich" in file.content
    assert render_files(inputs(text)).warnings == ()


@pytest.mark.parametrize(
    ("show", "expected"), [(True, b"the-admin-key-0123"), (False, b"masked-register-admin-key")]
)
def test_secrets_are_masked_unless_shown(show: bool, expected: bytes) -> None:
    found = inputs(WITH_SECRET, SECRET, show_secrets=show)
    file = register_json(found)
    assert expected in file.content
    assert file.secret
    data = [
        base64.b64decode(value)
        for item in render_objects(found).objects
        if item["kind"] == "Secret"
        for value in item["data"].values()
    ]
    assert any(expected in value for value in data)
    assert any(b"the-admin-key-0123" in value for value in data) is show


def test_unknown_values_have_visible_placeholders() -> None:
    prepared = prepare_inputs(read_documents([("f", WITH_SECRET)]), show_secrets=True)
    assert [warning.reason for warning in prepared.warnings] == ["SecretNotFound"]
    assert prepared.inputs.secrets["REGISTER_ADMIN_KEY"] == "missing-register-admin-key"
    assert prepared.inputs.secrets["CORE_SYSTEM_KEY"] == "generated-core-system-key"
    assert all(
        address.cluster_ip and address.cluster_ip.startswith("192.0.2.")
        for address in prepared.inputs.addresses.values()
    )


def test_a_secret_that_is_not_text_is_reported() -> None:
    binary = base64.b64encode(b"\xff").decode()
    secret = SECRET.replace("stringData", "data").replace("the-admin-key-0123", binary)
    message = r'spec\.secrets\.REGISTER_ADMIN_KEY: key "admin" of Secret "keys" is not UTF-8 text'
    with pytest.raises(OfflineError, match=message):
        inputs(WITH_SECRET, secret)


def test_load_balancers_are_not_waited_for() -> None:
    service = "{service: {type: LoadBalancer}}"
    text = PLATFORM + f"  roles: {{reg-master: {service}, static: {service}}}\n"
    assert render_objects(inputs(text)).objects


def test_files_of_an_external_slave_are_rendered() -> None:
    """They have to be copied to its machine."""
    slave = "externalSlave: {loadBalancerSourceRanges: [198.51.100.7/32]}"
    variables = "{REG_MASTER_VPN_IP_ADDRESS: 10.8.0.1}"
    text = PLATFORM + f"  roles: {{reg-master: {{{slave}}}}}\n  variables: {variables}\n"
    files = render_files(inputs(text)).by_role["reg-slave"]
    conf = next(file for file in files if file.path == "redis/conf/redis.conf")
    assert b"replicaof 10.8.0.1 6379" in conf.content
    assert "reg-slave" not in render_files(inputs(PLATFORM)).by_role


@pytest.mark.parametrize(
    ("kind", "field", "reference"),
    [("Secret", "data", "secretKeyRef"), ("ConfigMap", "binaryData", "configMapKeyRef")],
)
def test_all_files_of_an_archive_in_a_secret_are_secret(
    kind: str, field: str, reference: str
) -> None:
    archive = base64.b64encode(tgz(reg_master(ARCHIVED))).decode()
    source = f"{{{reference}: {{name: received, key: archive.tgz}}}}"
    item = f"""apiVersion: v1
kind: {kind}
metadata: {{name: received}}
{field}: {{archive.tgz: {archive}}}
"""
    found = render_files(inputs(PLATFORM + f"  templates: {{archive: {source}}}\n", item))
    secret = {file.secret for files in found.by_role.values() for file in files}
    assert secret == {kind == "Secret"}


def test_problems_are_reported() -> None:
    with pytest.raises(OfflineError, match="MAX_UPLOAD_SIZE_MB: must be an integer"):
        inputs(PLATFORM + "  variables: {MAX_UPLOAD_SIZE_MB: many}\n")


@pytest.mark.parametrize(
    ("text", "placeholder"),
    [
        ("p$$&w", "masked-a-b"),
        ("12345", "0"),
        ('"text"', "masked-a-b"),
        ('{"a": ["x", 1, true, null]}', '{"a": ["masked-a-b", 0, true, null]}'),
    ],
)
def test_masked_secrets_have_the_same_type(text: str, placeholder: str) -> None:
    assert masked_secret("A.b", text) == placeholder
