"""``spec.templates``: templates of the user instead of a built-in release."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from pryv_operator.api.schema import ATOMIC, cel, list_map
from pryv_operator.api.spec.base import Model, ObjectName, SecretKey
from pryv_operator.api.spec.secrets import SecretKeyRef


class ConfigMapKeyRef(Model):
    """A key of a ConfigMap in the platform's own namespace."""

    name: ObjectName = Field(
        description="Name of the ConfigMap, in the namespace of this platform."
    )
    key: SecretKey = Field(description="Key within the ConfigMap (binaryData or data).")


class Archive(Model):
    """Where a received archive (.tgz) is kept: exactly one of the fields."""

    config_map_key_ref: ConfigMapKeyRef | None = Field(
        None,
        description="A key of a ConfigMap's binaryData: kubectl create configmap NAME --from-file=KEY=archive.tgz.",
    )
    secret_key_ref: SecretKeyRef | None = Field(
        None,
        description="A key of a Secret, for an archive that holds secrets: a leader's folder as it was filled in.",
    )

    model_config = ConfigDict(
        json_schema_extra=cel(
            "has(self.configMapKeyRef) != has(self.secretKeyRef)",
            "say where the archive is, in one way: either configMapKeyRef: {name: …, key: …} or secretKeyRef: {name: …, key: …}",
        )
    )


class TemplateItem(Model):
    """One file of a role."""

    key: SecretKey = Field(description="Key within the ConfigMap.")
    path: Annotated[
        str,
        Field(
            min_length=1,
            max_length=200,
            json_schema_extra=cel(
                "!self.matches('(^|/)[.]{0,2}(/|$)')",
                "a path is relative to the role's folder, such as pryv.yml or core/conf/core.yml: no / in front, no . or .. in it",
            ),
        ),
    ] = Field(description="Path of the file in the role's folder, such as core/conf/core.yml.")


class ConfigMapRef(Model):
    """A ConfigMap in the platform's own namespace."""

    name: ObjectName = Field(
        description="Name of the ConfigMap, in the namespace of this platform."
    )


class TemplateFiles(Model):
    """Template files of a role, from the keys of a ConfigMap."""

    role: Literal["reg-master", "core", "static", "reg-slave", "singlenode"] = Field(
        description="The role they belong to."
    )
    config_map_ref: ConfigMapRef = Field(description="The ConfigMap that holds them.")
    items: Annotated[
        list[TemplateItem], Field(min_length=1, max_length=64, json_schema_extra=list_map("path"))
    ] = Field(description="The files: which key is which path.")


class Templates(Model):
    """Templates of one's own instead of a built-in release: exactly one of the fields."""

    archive: Archive | None = Field(
        None,
        description="An archive as Pryv hands it out: of reg-master, of a single node, of a whole cluster, or just the leader's folder.",
    )
    files: (
        Annotated[list[TemplateFiles], Field(min_length=1, max_length=16, json_schema_extra=ATOMIC)]
        | None
    ) = Field(
        None,
        description="Files from ConfigMaps, per role. Variables are those of the newest built-in release.",
    )

    model_config = ConfigDict(
        json_schema_extra=cel(
            "has(self.archive) != has(self.files)",
            "say where the templates are, in one way: either archive or files",
        )
    )
