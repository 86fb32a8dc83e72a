"""``spec.secrets``: where secret values come from."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from pryv_operator.api.schema import cel
from pryv_operator.api.spec.base import Model, ObjectName, SecretKey


class Generate(Model):
    """32 characters [a-z0-9] are made once, and kept until the rotation is counted up."""

    rotation: Annotated[int, Field(ge=0, le=1_000_000)] | None = Field(
        None,
        description="Count this up to have a new value made, which is rolled to everything that uses it; 0 when left out.",
    )


class SecretKeyRef(Model):
    """A key of a Secret in the platform's own namespace."""

    name: ObjectName = Field(description="Name of the Secret, in the namespace of this platform.")
    key: SecretKey = Field(description="Key within the Secret whose value is taken.")


class SecretSource(Model):
    """Where a secret value comes from: exactly one of the fields."""

    generate: Generate | None = Field(
        None,
        description="Make a value once (32 characters a-z, 0-9) and keep it in a Secret of the platform; "
        "this is what every secret variable gets that is not named here.",
    )
    secret_key_ref: SecretKeyRef | None = Field(
        None,
        description="Take the value from a key of a Secret. It is read as JSON where the variable is not a string. "
        "A change of the Secret rolls what uses it, and nothing else.",
    )

    model_config = ConfigDict(
        json_schema_extra=cel(
            "has(self.generate) != has(self.secretKeyRef)",
            "say where the value comes from, in one way: either generate: {} or secretKeyRef: {name: …, key: …}",
        )
    )
