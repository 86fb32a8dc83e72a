"""``spec.tls`` and ``spec.roles.*.tls``: the certificates that the reverse proxies serve."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from pryv_operator.api.schema import cel, together
from pryv_operator.api.spec.base import Model, ObjectName


class IssuerRef(Model):
    """A cert-manager issuer."""

    name: ObjectName = Field(description="Name of the issuer.")
    kind: Annotated[str, Field(max_length=63)] | None = Field(
        None,
        description="Kind of the issuer; default: Issuer. ClusterIssuer and the like are refused "
        "unless the operator allows them.",
    )
    group: Annotated[str, Field(max_length=253)] | None = Field(
        None, description="API group of the issuer; default: cert-manager.io."
    )


class Tls(Model):
    """The certificate of DOMAIN and *.DOMAIN."""

    secret_name: ObjectName | None = Field(
        None,
        description="Secret of type kubernetes.io/tls with the certificate and its chain for "
        "DOMAIN and *.DOMAIN. The reverse proxies wait for it; all other components start.",
    )
    issuer_ref: IssuerRef | None = Field(
        None,
        description="cert-manager issuer to request a certificate of DOMAIN and *.DOMAIN from.",
    )
    ca_bundle: Annotated[str, Field(max_length=65536)] | None = Field(
        None,
        description="Certificates (PEM) of the authority that signed the certificate, if it is not "
        "a public one. The platform's own components trust them.",
    )

    model_config = ConfigDict(
        json_schema_extra=together(
            cel(
                "!(has(self.secretName) && has(self.issuerRef))",
                "secretName (your own certificate) and issuerRef (cert-manager) are mutually "
                "exclusive; remove one, or both for a private authority of the operator",
            ),
            cel(
                "!has(self.caBundle) || (self.caBundle.contains('-----BEGIN CERTIFICATE-----') && "
                "!self.caBundle.contains('PRIVATE KEY'))",
                "must be one or more certificates in PEM form (-----BEGIN CERTIFICATE-----), "
                "without a private key",
                at="caBundle",
            ),
        )
    )


class RoleTls(Model):
    """A certificate of one role."""

    secret_name: ObjectName = Field(
        description="Secret of type kubernetes.io/tls with the certificate that the role's reverse "
        "proxies serve instead of the platform's."
    )
