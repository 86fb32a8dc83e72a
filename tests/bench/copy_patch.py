"""Changes an operator that meets copies of a platform. Run in its process, before it starts.

Copies have one domain, which would be a warning of each about all others. And the hash of what was
applied must not depend on the namespace, nor on the owner's uid: the copies have others.
"""

from __future__ import annotations

from typing import Any

from pryv_operator.live import diff
from pryv_operator.reconcile.domains import Domains

_digest = diff._digest


def _digest_without_place(item: dict[str, Any], *further: Any) -> str:
    place = ("namespace", "ownerReferences")
    metadata = {key: value for key, value in item["metadata"].items() if key not in place}
    return _digest({**item, "metadata": metadata}, *further)


diff._digest = _digest_without_place
Domains.set = lambda *_: None  # type: ignore[method-assign]
