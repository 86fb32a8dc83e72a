"""Names of objects: permanent, and unique."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.api import names

_variables = st.from_regex(
    r"[A-Za-z_][A-Za-z0-9_]{0,20}([.][A-Za-z0-9_-]{1,8}){0,2}", fullmatch=True
)


def test_names_of_live_objects_do_not_change() -> None:
    assert names.workload("acme", "co1", "reverse_proxy") == "acme-co1-reverse-proxy"
    assert names.external_service("acme", "reg") == "acme-reg"
    assert names.external_service("acme", "reg", udp=True) == "acme-reg-udp"
    assert names.pvc("acme", "co1", "core", "data") == "acme-co1-core-data"
    assert (
        names.configuration("acme", "core", "reverse_proxy", "0123456789")
        == "acme-core-reverse-proxy-0123456789"
    )
    assert (
        names.generated_secret("acme", "REGISTER_ADMIN_KEY") == "acme-generated-register-admin-key"
    )
    assert names.hash_key_secret("acme") == "acme-hash-key"
    assert names.private_authority("acme", 1) == "acme-private-ca-1"
    assert names.private_certificate("acme", 1) == "acme-private-tls-1"
    assert names.cert_manager_certificate("acme") == "acme-tls"
    assert names.pod_selector("acme", "co1", "app_web_auth3") == {
        "pryv.io/platform": "acme",
        "pryv.io/instance": "co1",
        "pryv.io/component": "app-web-auth3",
    }


@given(st.sets(_variables, min_size=2, max_size=6))
def test_each_generated_value_has_its_own_secret(variables: set[str]) -> None:
    assert len({names.generated_secret("acme", each) for each in variables}) == len(variables)


@given(_variables)
def test_the_secret_of_any_variable_has_a_valid_name(variable: str) -> None:
    name = names.generated_secret("acme", variable)
    assert len(name) <= 253
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name), name
