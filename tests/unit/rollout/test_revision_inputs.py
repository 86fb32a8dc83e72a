"""Inputs of a revision: how the annotation holds them, and how messages name them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.rollout.revision_inputs import (
    RevisionInput,
    SecretInput,
    TemplatesInput,
    UnknownInput,
    decode,
    encode,
    fingerprint,
    fingerprints,
    keyed_hash,
    secret_input,
)
from tests.unit.builders import inputs, platform


@pytest.mark.parametrize(
    ("given_input", "text"),
    [
        (SecretInput("smtp", "password"), "Secret smtp, key password"),
        (TemplatesInput(), "templates"),
        (UnknownInput("ConfigMap x"), "ConfigMap x"),
    ],
)
def test_encoding_is_part_of_the_format(given_input: RevisionInput, text: str) -> None:
    """Revisions of earlier versions of the operator hold these bytes."""
    assert encode(given_input) == text
    assert decode(text) == given_input


@given(
    st.from_regex(
        r"[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?){0,2}",
        fullmatch=True,
    ),
    st.from_regex(r"[-._a-zA-Z0-9]{1,20}", fullmatch=True),
)
def test_every_name_and_key_of_a_secret_survives(name: str, key: str) -> None:
    assert decode(encode(SecretInput(name, key))) == SecretInput(name, key)


def test_secret_of_a_reference() -> None:
    of = platform(secrets={"REGISTER_ADMIN_KEY": {"secretKeyRef": {"name": "mine", "key": "k"}}})
    assert secret_input(of, "REGISTER_ADMIN_KEY") == SecretInput("mine", "k")


def test_secret_of_a_generated_value_depends_on_its_rotation() -> None:
    of = platform(secrets={"REGISTER_ADMIN_KEY": {"generate": {"rotation": 2}}})
    found = secret_input(of, "REGISTER_ADMIN_KEY")
    assert found == SecretInput("acme-generated-register-admin-key.2", "value")


def test_messages_quote_names() -> None:
    assert str(SecretInput("smtp", "password")) == 'Secret "smtp", key "password"'


def test_equal_secrets_do_not_show() -> None:
    """Who may write one Secret could verify a guess of the other."""
    names = ("CORE_SYSTEM_KEY", "REGISTER_ADMIN_KEY")
    found = fingerprints(inputs(secrets=dict.fromkeys(names, "the same")))
    one, other = (found[secret_input(platform(), name)] for name in names)
    assert one != other
    assert keyed_hash(b"key", b"the same") not in "".join(found.values())


@given(st.binary(max_size=4), st.binary(max_size=4), st.sampled_from("ab"), st.sampled_from("ab"))
def test_a_hash_is_of_one_input_and_content(
    content: bytes, other: bytes, key: str, another: str
) -> None:
    one = fingerprint(b"key", SecretInput("a", key), content)
    assert (one == fingerprint(b"key", SecretInput("a", another), other)) == (
        (key, content) == (another, other)
    )


def test_a_hash_of_an_earlier_version_is_compared_in_its_form() -> None:
    recorded = keyed_hash(b"key", b"value")
    assert fingerprint(b"key", TemplatesInput(), b"value", recorded) == recorded
    assert fingerprint(b"key", TemplatesInput(), b"changed", recorded) != recorded
