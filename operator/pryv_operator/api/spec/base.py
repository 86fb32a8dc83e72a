"""The base class of the models, and the types that several of them share.

A type's CEL rule has the message that users see; the API server prefixes the field's path.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from pryv_operator.api.schema import cel, matches

#: One label of a DNS name, RFC 1123.
LABEL: Final = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_DATA_KEY: Final = "^[-._a-zA-Z0-9]+$"
_OBJECT_NAME: Final = rf"^{LABEL}([.]{LABEL})*$"
_QUANTITY: Final = (
    r"^[+]?([0-9]+([.][0-9]*)?|[.][0-9]+)(([KMGTPE]i)|[numkMGTPE]|([eE][-+]?[0-9]+))?$"
)

#: Name of a Secret, ConfigMap or other object.
ObjectName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=_OBJECT_NAME,
        json_schema_extra=matches(
            _OBJECT_NAME,
            "must be the name of a Kubernetes object: lower-case letters, digits, '-' and '.', "
            "such as acme-tls",
        ),
    ),
]
#: Key in the data of a Secret or ConfigMap.
DataKey = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=_DATA_KEY,
        json_schema_extra=matches(
            _DATA_KEY,
            "must be a key of the object's data: letters, digits, '-', '_' and '.', "
            "such as password; never the secret value itself",
        ),
    ),
]
IPv4 = Annotated[
    str,
    Field(
        max_length=253,
        json_schema_extra=cel(
            "isIP(self) && ip(self).family() == 4",
            "must be an IPv4 address such as 203.0.113.10; the platform's DNS publishes it "
            "in A records, which cannot hold a host name or an IPv6 address",
        ),
    ),
]
#: A Kubernetes quantity; YAML's plain numbers are allowed.
Quantity = Annotated[
    str | int,
    Field(
        json_schema_extra={
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "maxLength": 32,
            **cel(
                f"type(self) == string ? self.matches('{_QUANTITY}') : self >= 0",
                "must be a quantity of zero or more, such as 10Gi, 500m or 2",
            ),
        }
    ),
]
StringMap = Annotated[
    dict[str, Annotated[str, Field(max_length=1024)]],
    Field(max_length=64, json_schema_extra={"x-kubernetes-map-type": "granular"}),
]


def empty_for_null(value: Any) -> Any:
    """A map with ``{}`` in place of each null value.

    Server-side apply stores null where it removed the last field of an object: ``reg-slave: {}``
    comes back as ``reg-slave: null``, and still declares the role.
    """
    return (
        {key: {} if each is None else each for key, each in value.items()}
        if isinstance(value, dict)
        else value
    )


class Model(BaseModel):
    """Frozen, with camelCase names. Unknown fields are ignored: the API server rejects them."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, extra="ignore"
    )

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: Any) -> Any:
        """Treat a null field as omitted."""
        return (
            {key: each for key, each in value.items() if each is not None}
            if isinstance(value, dict)
            else value
        )
