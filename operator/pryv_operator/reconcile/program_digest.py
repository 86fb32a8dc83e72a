"""What stands for all that decides which objects are desired, beside platforms and references.

That is the code with its built-in templates, and the options. After a change of any of it, every
platform is reconciled once.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pryv_operator
from pryv_operator.reconcile.settings import Settings


def program_digest(settings: Settings, shards: int, code: str) -> str:
    """Of this version with these settings. ``code``: what stands for its files."""
    version = pryv_operator.__version__
    parts = [version, code, shards, settings.cluster_dns, sorted(settings.allowed)]
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


def code_digest(folder: Path = Path(pryv_operator.__file__).parent) -> str:
    """What stands for the files of the operator: two builds may have the same version.

    Raises:
        OSError: they cannot be read.
    """
    found = hashlib.blake2b(digest_size=16)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            content = path.read_bytes()
            name = path.relative_to(folder).as_posix().encode()
            found.update(b"%d %d\0%s%s" % (len(name), len(content), name, content))
    return found.hexdigest()
