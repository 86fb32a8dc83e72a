"""Templates as a tenant may bring: role core is the tenant's, the other roles are small."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pryv_operator.templates.builtin import load_release
from pryv_operator.templates.bundle import Bundle


def own(files: Mapping[str, str], *, jinja: bool, secret: bool = False) -> Bundle:
    """Templates whose role core has these files; the other roles have next to nothing."""
    builtin = load_release(None)
    small = {
        "pryv.yml": b"services:\n  other:\n    image: o:1\n    environment: {A: 'TRUSTED_APPS'}\n"
    }
    role = {path: text.encode() for path, text in files.items()}
    return replace(
        builtin,
        jinja=jinja,
        secret=secret,
        roles={"core": role, "reg-master": small, "static": small},
    )
