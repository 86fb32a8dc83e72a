"""Certificates and keys that were put among the templates: they belong into a TLS Secret, never into a ConfigMap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pryv_operator.api import names
from pryv_operator.importer.report import Note

_FOLDER: Final = "/conf/secret/"
_CHAIN: Final = "-bundle.crt"
_KEY: Final = "-key.pem"
_PRIVATE: Final = b"PRIVATE KEY"
_ORDER: Final = {role: index for index, role in enumerate(names.ROLES)}


#: Chain and key (PEM).
Pair = tuple[str, str]


@dataclass(frozen=True)
class Found:
    """The templates without certificates, and the pairs that stood there: the platform's, and those of roles that differ from it."""

    roles: Mapping[str, Mapping[str, bytes]]
    pair: Pair | None = field(repr=False)
    role_pairs: Mapping[str, Pair] = field(repr=False)
    notes: tuple[Note, ...]


def taken_out(roles: Mapping[str, Mapping[str, bytes]]) -> Found:
    """The templates and the certificates, apart. The first role's certificate is the platform's."""
    notes: list[Note] = []
    pairs: dict[str, Pair] = {}
    rest: dict[str, Mapping[str, bytes]] = {}
    for role in sorted(roles, key=lambda role: (_ORDER.get(role, len(_ORDER)), role)):
        files = roles[role]
        removed: set[str] = set()
        for path in sorted(path for path in files if _is_key(path, files[path])):
            chain = path.removesuffix(_KEY) + _CHAIN
            removed |= {path, chain} & files.keys()
            if chain not in files:
                notes.append(
                    Note(
                        "left out",
                        f"{role}/{path}",
                        f"a private key without its certificate ({chain.rpartition('/')[2]})",
                    )
                )
            elif role in pairs:
                notes.append(
                    Note("check", f"{role}/{path}", "a second certificate of this role: left out")
                )
            else:
                pairs[role] = (_text(files[chain]), _text(files[path]))
                notes.append(
                    Note("mapped", f"{role}/{path}, {chain.rpartition('/')[2]}", "a TLS Secret")
                )
        rest[role] = {path: content for path, content in files.items() if path not in removed}
    common = next(iter(pairs.values()), None)
    return Found(
        rest, common, {role: pair for role, pair in pairs.items() if pair != common}, tuple(notes)
    )


def _is_key(path: str, content: bytes) -> bool:
    return _FOLDER in f"/{path}" and path.endswith(_KEY) and _PRIVATE in content


def _text(content: bytes) -> str:
    return content.decode("ascii", "replace")
