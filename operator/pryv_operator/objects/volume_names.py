"""Names of a pod's volumes."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import Final

from pryv_operator.api import names
from pryv_operator.compose.model import Mount
from pryv_operator.objects.model import PVC

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def pvc(claim: PVC) -> str:
    """The volume of a PVC."""
    return _label(f"{claim.owner}-{claim.purpose}")


def tmpfs(mount: Mount) -> str:
    """The volume of a tmpfs."""
    return _label(f"tmpfs{mount.target.replace('/', '-')}")


def folder(path: str) -> str:
    """The volume of a folder of the role, or of a file."""
    return _label(path.replace("/", "-"))


@lru_cache(maxsize=1024)
def _label(text: str) -> str:
    """A DNS label: the text itself where it can be one, else with a hash of it."""
    plain = names.slug(text)
    if _LABEL.fullmatch(plain):
        return plain
    readable = re.sub("[^a-z0-9]+", "-", plain)[:50].strip("-")
    return f"{readable or 'volume'}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
