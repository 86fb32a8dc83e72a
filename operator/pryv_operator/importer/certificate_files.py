"""Certificates and private keys among templates: they belong in TLS Secrets, not in ConfigMaps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from pryv_operator.api import names
from pryv_operator.importer.notes import Note
from pryv_operator.pki.pem import pem_text

_FOLDER: Final = "/conf/secret/"
_CHAIN: Final = "-bundle.crt"
_KEY: Final = "-key.pem"
_PRIVATE: Final = "PRIVATE KEY"
_ORDER: Final = {role: index for index, role in enumerate(names.ROLES)}

#: Role → path inside the role → content.
Roles = Mapping[str, Mapping[str, bytes]]


class KeyPair(NamedTuple):
    """A certificate chain and its private key (PEM)."""

    chain: str
    key: str


@dataclass(frozen=True)
class ExtractedCertificates:
    """Templates without certificate files, and the certificates that were among them."""

    templates: Roles
    #: The platform's certificate: that of the first role which has one.
    platform: KeyPair | None = field(repr=False)
    #: Role → its certificate, where it differs from the platform's.
    by_role: Mapping[str, KeyPair] = field(repr=False)
    notes: tuple[Note, ...]


def extract_certificates(roles: Roles) -> ExtractedCertificates:
    """Separate certificates (``conf/secret/*-key.pem``, ``*-bundle.crt``) from templates."""
    notes: list[Note] = []
    pairs: dict[str, KeyPair] = {}
    templates: dict[str, Mapping[str, bytes]] = {}
    for role in sorted(roles, key=lambda role: (_ORDER.get(role, len(_ORDER)), role)):
        files = roles[role]
        removed: set[str] = set()
        for path in sorted(path for path in files if _is_key(path, files[path])):
            chain = path.removesuffix(_KEY) + _CHAIN
            chain_name = chain.rpartition("/")[2]
            where = f"{role}/{path}"
            removed |= {path, chain} & files.keys()
            if chain not in files:
                why = f"a private key without its certificate ({chain_name})"
                notes.append(Note("not imported", where, why))
            elif role in pairs:
                notes.append(Note("check", where, "second certificate of this role, not imported"))
            else:
                pairs[role] = KeyPair(pem_text(files[chain]), pem_text(files[path]))
                notes.append(Note("mapped", f"{where}, {chain_name}", "a TLS Secret"))
        templates[role] = {path: content for path, content in files.items() if path not in removed}
    platform = next(iter(pairs.values()), None)
    by_role = {role: pair for role, pair in pairs.items() if pair != platform}
    return ExtractedCertificates(templates, platform, by_role, tuple(notes))


def _is_key(path: str, content: bytes) -> bool:
    return _FOLDER in f"/{path}" and path.endswith(_KEY) and _PRIVATE in pem_text(content)
