"""What all models of the spec share: the base class, and the types of names, addresses and quantities."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from pryv_operator.api.schema import cel, matches

LABEL: Final = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_KEY: Final = "^[-._a-zA-Z0-9]+$"
_OBJECT_NAME: Final = rf"^{LABEL}([.]{LABEL})*$"
_QUANTITY: Final = (
    r"^[+]?([0-9]+([.][0-9]*)?|[.][0-9]+)(([KMGTPE]i)|[numkMGTPE]|([eE][-+]?[0-9]+))?$"
)
ObjectName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=_OBJECT_NAME,
        json_schema_extra=matches(
            _OBJECT_NAME,
            "the name of an object in the cluster: lower-case letters, digits, '-' and '.', such as acme-tls",
        ),
    ),
]
SecretKey = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=_KEY,
        json_schema_extra=matches(
            _KEY,
            "the key inside the Secret: letters, digits, '-', '_' and '.', such as password; not the secret value itself",
        ),
    ),
]
IPv4 = Annotated[
    str,
    Field(
        max_length=253,
        json_schema_extra=cel(
            "isIP(self) && ip(self).family() == 4",
            "an IPv4 address such as 203.0.113.10 is needed here: the platform's DNS answers with it; "
            "a host name or an IPv6 address cannot stand in an A record",
        ),
    ),
]
Quantity = Annotated[
    str | int,
    Field(
        json_schema_extra={
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "maxLength": 32,
            **cel(
                f"type(self) == string ? self.matches('{_QUANTITY}') : self >= 0",
                "a quantity such as 10Gi, 500m or 2 is needed here, not below zero",
            ),
        }
    ),
]
StringMap = Annotated[
    dict[str, Annotated[str, Field(max_length=1024)]],
    Field(max_length=64, json_schema_extra={"x-kubernetes-map-type": "granular"}),
]


def empty_for_null(value: Any) -> Any:
    """Server-side apply leaves null where it has removed the last entry of a map: ``reg-slave: {}`` is still wanted."""
    return (
        {key: {} if each is None else each for key, each in value.items()}
        if isinstance(value, dict)
        else value
    )


class Model(BaseModel):
    """Frozen, camelCase outside; unknown fields are ignored (the API server prunes or rejects them)."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, extra="ignore"
    )

    @model_validator(mode="before")
    @classmethod
    def _left_out_for_null(cls, value: Any) -> Any:
        """A field that is null is as one that is left out."""
        return (
            {key: each for key, each in value.items() if each is not None}
            if isinstance(value, dict)
            else value
        )
