"""``spec.templates``: the user's own templates, or files in the place of given ones."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from pryv_operator.api.schema import ATOMIC, cel, list_map
from pryv_operator.api.spec.base import DataKey, Model, ObjectName
from pryv_operator.api.spec.secrets import SecretKeyRef


class ConfigMapKeyRef(Model):
    """A key of a ConfigMap in the platform's namespace."""

    name: ObjectName = Field(description="Name of the ConfigMap.")
    key: DataKey = Field(description="Key in the ConfigMap's binaryData or data.")


class Archive(Model):
    """Source of an archive (.tgz) as received from Pryv: exactly one of the fields."""

    config_map_key_ref: ConfigMapKeyRef | None = Field(
        None,
        description="A key of a ConfigMap, as created with "
        "kubectl create configmap NAME --from-file=KEY=archive.tgz.",
    )
    secret_key_ref: SecretKeyRef | None = Field(
        None,
        description="A key of a Secret, for an archive that contains secrets, such as a leader's "
        "folder with its values filled in.",
    )

    model_config = ConfigDict(
        json_schema_extra=cel(
            "has(self.configMapKeyRef) != has(self.secretKeyRef)",
            "exactly one source is required: configMapKeyRef: {name: …, key: …} or "
            "secretKeyRef: {name: …, key: …}",
        )
    )


class TemplateItem(Model):
    """One file of a role."""

    key: DataKey = Field(description="Key in the ConfigMap's data.")
    path: Annotated[
        str,
        Field(
            min_length=1,
            max_length=200,
            json_schema_extra=cel(
                "!self.matches('(^|/)[.]{0,2}(/|$)')",
                "must be a path relative to the role's folder, such as pryv.yml or "
                "core/conf/core.yml; no leading '/', no '.' or '..'",
            ),
        ),
    ] = Field(description="Path of the file in the role's folder, such as core/conf/core.yml.")


class ConfigMapRef(Model):
    """A ConfigMap in the platform's namespace."""

    name: ObjectName = Field(description="Name of the ConfigMap.")


class TemplateFiles(Model):
    """Template files of a role, from the keys of a ConfigMap."""

    role: Literal["reg-master", "core", "static", "reg-slave", "singlenode"] = Field(
        description="Role that the files belong to."
    )
    config_map_ref: ConfigMapRef = Field(description="ConfigMap with the files.")
    items: Annotated[
        list[TemplateItem], Field(min_length=1, max_length=64, json_schema_extra=list_map("path"))
    ] = Field(description="The files: which key is which path.")


class Templates(Model):
    """Your own templates: an archive, single files, or both."""

    archive: Archive | None = Field(
        None,
        description="An archive as received from Pryv: of reg-master, of a single node, of a whole "
        "cluster, or of the leader's folder alone.",
    )
    files: (
        Annotated[list[TemplateFiles], Field(min_length=1, max_length=16, json_schema_extra=ATOMIC)]
        | None
    ) = Field(
        None,
        description="Files from ConfigMaps, per role. They replace single files of the archive, or "
        "of the built-in release; the others stay. With neither archive nor spec.release, and if "
        "every role of the platform has its pryv.yml among them, they are all templates there are.",
    )

    model_config = ConfigDict(
        json_schema_extra=cel(
            "has(self.archive) || has(self.files)",
            "archive or files is required",
        )
    )
