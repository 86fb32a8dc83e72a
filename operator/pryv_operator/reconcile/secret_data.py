"""The data of Secrets, as the API server stores it (base64). Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from pryv_operator.api.kubernetes import Object


def encode_data(data: Mapping[str, str]) -> dict[str, str]:
    """Texts as a Secret's ``data``."""
    return {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}


def decoded_text(secret: Object, key: str) -> str | None:
    """The text under a key; None when it is missing, or not UTF-8."""
    content = decoded_bytes(secret, key)
    try:
        return None if content is None else content.decode()
    except UnicodeDecodeError:
        return None


def decoded_bytes(secret: Object, key: str) -> bytes | None:
    """The bytes under a key; None when it is missing, or not base64."""
    encoded = (secret.get("data") or {}).get(key)
    if encoded is None:
        return None
    try:
        return base64.b64decode(encoded)
    except binascii.Error:
        return None
