"""``spec.secrets``: where the values of secret variables come from."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from pryv_operator.api.schema import cel
from pryv_operator.api.spec.base import DataKey, Model, ObjectName


class Generate(Model):
    """A random value of 32 characters a-z and 0-9, generated once and retained until rotated."""

    rotation: Annotated[int, Field(ge=0, le=1_000_000)] | None = Field(
        None,
        description="Increase this number to generate a new value and roll everything that uses "
        "it; default: 0.",
    )


class SecretKeyRef(Model):
    """A key of a Secret in the platform's namespace."""

    name: ObjectName = Field(description="Name of the Secret.")
    key: DataKey = Field(description="Key in the Secret's data.")


class SecretValueRef(SecretKeyRef):
    """A key of a Secret in the platform's namespace, and how its text is read."""

    trim: bool | None = Field(
        None,
        description="Whether one line break at the end of the text (LF or CRLF, as echo writes it) "
        "is dropped, with a warning; default: true.",
    )


class SecretSource(Model):
    """Source of a secret value: exactly one of the fields."""

    generate: Generate | None = Field(
        None,
        description="Generate a value once (32 characters a-z, 0-9) and retain it in a Secret of "
        "the platform. This is the default of every secret variable.",
    )
    secret_key_ref: SecretValueRef | None = Field(
        None,
        description="Read the value from a key of a Secret: as JSON if the variable is not a "
        "string. A change of the Secret rolls the components that use it, and no others.",
    )

    model_config = ConfigDict(
        json_schema_extra=cel(
            "has(self.generate) != has(self.secretKeyRef)",
            "exactly one source is required: generate: {} or secretKeyRef: {name: …, key: …}",
        )
    )
