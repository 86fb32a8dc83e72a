"""Visible placeholders for what only a cluster knows, or what is not to be shown.

They contain slugs, because a placeholder that held a variable's name would be substituted itself.
"""

from __future__ import annotations

import json
from typing import Any, Final

from pryv_operator.api import names
from pryv_operator.pki.certificate import Certificate
from pryv_operator.values.nested import map_leaves

#: IP address of the DNS server in many clusters (kubeadm's default).
CLUSTER_DNS: Final = "10.96.0.10"
#: The key of the hashes that name Secrets.
HASH_KEY: Final = b"offline"
#: For a certificate that is not in the files, or that the cluster issues.
CERTIFICATE: Final = Certificate(
    "placeholder for the certificate and its chain\n", "placeholder for its key\n"
)
#: For a certificate's private key that is not to be shown.
MASKED_KEY: Final = "masked\n"


def generated_secret(variable: str) -> str:
    """Stands for a secret that the operator generates."""
    return f"generated-{names.slug(variable)}"


def missing_secret(variable: str) -> str:
    """Stands for a secret whose Secret is not in the files."""
    return f"missing-{names.slug(variable)}"


def masked_secret(variable: str, text: str) -> str:
    """Stands for a secret that is not to be shown; of the same JSON type and shape as its text."""
    placeholder = f"masked-{names.slug(variable)}"
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return placeholder

    def mask(leaf: Any) -> Any:
        if isinstance(leaf, str):
            return placeholder
        return leaf if isinstance(leaf, bool) or leaf is None else 0

    masked = map_leaves(value, mask)
    return masked if isinstance(masked, str) else json.dumps(masked)
