"""Which names and texts look like credentials."""

from __future__ import annotations

import json

import pytest

from pryv_operator.api.secret_variables import looks_like_credential, names_credential

#: Spellings of two words as one name.
SPELLINGS = ("{0}{1}", "{0}_{1}", "{0}-{1}", "{0}.{1}", "{0} {1}")
URL = "https://store.acme.test/types.json"


@pytest.mark.parametrize("word", ["pass", "pwd", "pw", "passcode", "jwt", "bearer", "password"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_name_that_ends_in_a_word_for_a_credential(spelling: str, word: str) -> None:
    camel = spelling.format("relay", word.title() if spelling == "{0}{1}" else word)
    assert names_credential(camel)
    assert names_credential(word)
    assert names_credential(f"RELAY_{word.upper()}")
    assert names_credential(f"RELAY_{word.upper()}_2")


@pytest.mark.parametrize(
    "name",
    [
        "bypass",
        "by_pass",
        "compass",
        "passive",
        "pinned",
        "passThrough",
        "monkey",
        "keyboard",
        "PASSWORD_RESET_URL",
        "PASSWORD_MIN_LENGTH",
        "TOKEN_LIFETIME",
        "tokenType",
        "publicKey",
        "pinning",
        "signatureAlgorithm",
        "spin",
        "SECRET_NAME",
    ],
)
def test_honest_name(name: str) -> None:
    assert not names_credential(name)
    assert not looks_like_credential(name, "Zx9-hunter2-QQ")


@pytest.mark.parametrize(
    "name", ["pin", "USER_PIN", "signature", "dsn", "connectionString", "MAIL_KEY"]
)
def test_doubtful_name(name: str) -> None:
    assert not names_credential(name)
    assert looks_like_credential(name, "Zx9-hunter2-QQ")


@pytest.mark.parametrize(
    "text",
    [
        f"{URL}?sv=2020&sig=S",
        f"{URL}?X-Amz-Date=1&X-Amz-Signature=S",
        f"{URL}?signature=S",
        "Server=tcp:db;User ID=me;Password=S",
        "DefaultEndpointsProtocol=https;AccountName=me;AccountKey=S",
        "host=db user=me password=S",
        "{host: 'h', auth: {user: 'u', pass: 'S'}}",
        '{"to": {{ phone }}, "apiKey": "S"}',
        "<login><password>S</password></login>",
        json.dumps(json.dumps({"auth": {"pass": "S"}})),
        "\ufeff" + json.dumps({"auth": {"pass": "S"}}),
    ],
)
def test_text_with_a_credential(text: str) -> None:
    assert looks_like_credential("", text)


@pytest.mark.parametrize(
    "text",
    [
        f"{URL}?signed=no&design=sig",
        "Host=db;Port=27017",
        "Reset your password: #{token}",
        '{"token": {{ code }}}',
        "<password>{{ code }}</password>",
        "With kind regards, Acme",
    ],
)
def test_text_without_a_credential(text: str) -> None:
    assert not looks_like_credential("", text)
    assert not looks_like_credential("signature", "With kind regards, Acme")
