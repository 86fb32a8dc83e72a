"""Kubernetes quantities as numbers: ``1.5Gi``, ``500m``, ``2``, ``1e3``.

The client library has a function for this, but importing it loads all of the library.
See ``pkg/api/resource/quantity.go`` of apimachinery.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

_BINARY: Final = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_FACTORS: Final[dict[str, Decimal]] = (
    {"": Decimal(1)}
    | {suffix: Decimal(1024) ** power for power, suffix in enumerate(_BINARY, 1)}
    | {suffix: Decimal(10) ** power for suffix, power in _DECIMAL.items()}
)
#: A sign, digits with or without a point, and an exponent or a suffix.
_QUANTITY: Final = re.compile(
    r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,5})?)([KMGTPE]i|[numkMGTPE])?"
)


def parse_quantity(quantity: Any) -> Decimal:
    """The number that a quantity stands for. YAML and JSON may hold plain numbers.

    Raises:
        ValueError: it is not a valid quantity.
    """
    found = _QUANTITY.fullmatch(str(quantity))
    if not found:
        raise ValueError("not a valid quantity")
    number, suffix = found.groups("")
    return Decimal(number) * _FACTORS[suffix]
