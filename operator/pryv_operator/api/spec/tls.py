"""``spec.tls`` and ``spec.roles.*.tls``: the certificates that reverse proxies serve."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from pryv_operator.api.schema import cel, together
from pryv_operator.api.spec.base import Model, ObjectName


class IssuerRef(Model):
    """A cert-manager issuer."""

    name: ObjectName = Field(description="Name of the issuer.")
    kind: Annotated[str, Field(max_length=63)] | None = Field(
        None, description="Kind of the issuer; Issuer when left out."
    )
    group: Annotated[str, Field(max_length=253)] | None = Field(
        None, description="API group of the issuer; cert-manager.io when left out."
    )


class Tls(Model):
    """The certificate of DOMAIN and *.DOMAIN."""

    secret_name: ObjectName | None = Field(
        None,
        description="A Secret of type kubernetes.io/tls with the certificate and its chain for DOMAIN and *.DOMAIN. "
        "Until it is there the reverse proxies wait; everything else starts.",
    )
    issuer_ref: IssuerRef | None = Field(
        None,
        description="A cert-manager issuer that is asked for a certificate of DOMAIN and *.DOMAIN.",
    )
    ca_bundle: Annotated[str, Field(max_length=65536)] | None = Field(
        None,
        description="Certificates (PEM) of the authority that signed the certificate, when it is not a public one: "
        "the platform's own components are made to trust it.",
    )

    model_config = ConfigDict(
        json_schema_extra=together(
            cel(
                "!(has(self.secretName) && has(self.issuerRef))",
                "give either tls.secretName (a certificate you bring) or tls.issuerRef (cert-manager makes one), not both; "
                "without either the platform makes a private authority of its own",
            ),
            cel(
                "!has(self.caBundle) || (self.caBundle.contains('-----BEGIN CERTIFICATE-----') && !self.caBundle.contains('PRIVATE KEY'))",
                "caBundle holds one or more certificates in PEM form (-----BEGIN CERTIFICATE-----), and never a private key",
                at="caBundle",
            ),
        )
    )


class RoleTls(Model):
    """A certificate of a role's own."""

    secret_name: ObjectName = Field(
        description="A Secret of type kubernetes.io/tls with the certificate this role's reverse proxies serve, instead of the platform's."
    )
