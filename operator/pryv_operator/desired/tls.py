"""The certificate of DOMAIN and *.DOMAIN: what is asked of cert-manager, and where nginx reads it."""

from __future__ import annotations

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.instances import instances
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.objects.model import File
from pryv_operator.pki.certificate import Certificate


def dns_names(domain: str) -> list[str]:
    """The names a platform's certificate covers."""
    return [domain, f"*.{domain}"]


def role_names(role: str, domain: str) -> list[str]:
    """The names a role's own certificate has to cover."""
    match role:
        case names.REG_MASTER:
            hosts = ["reg", "access", "mail"]
        case names.STATIC:
            hosts = ["sw", "mfa"]
        case names.REG_SLAVE:
            hosts = ["reg2"]
        case _:
            return [f"*.{domain}"]
    return [f"{host}.{domain}" for host in hosts]


def files(folder: str, domain: str, certificate: Certificate) -> tuple[File, ...]:
    """The certificate under the names that every release's nginx.conf reads."""
    return (
        File(f"{folder}/secret/{domain}-bundle.crt", certificate.chain, secret=True),
        File(f"{folder}/secret/{domain}-key.pem", certificate.key, secret=True),
    )


def certificate_request(platform: Platform) -> Object | None:
    """cert-manager's Certificate, when the platform names an issuer."""
    issuer = platform.spec.tls.issuer_ref if platform.spec.tls else None
    if issuer is None:
        return None
    name = names.certificate(platform.name)
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": platform.metadata(name, {keys.PURPOSE: "certificate"}),
        "spec": {
            "secretName": name,
            "dnsNames": dns_names(platform.spec.domain),
            "issuerRef": {
                "name": issuer.name,
                "kind": issuer.kind or "Issuer",
                "group": issuer.group or "cert-manager.io",
            },
        },
    }


def role_secrets(platform: Platform) -> dict[str, str]:
    """Role → the Secret of its own certificate."""
    return {
        instance.role: instance.tls_secret
        for instance in instances(platform.spec)
        if instance.tls_secret
    }


def secret_name(platform: Platform) -> str | None:
    """The Secret that holds the certificate; none when the platform makes its own."""
    wanted = platform.spec.tls
    if wanted and wanted.secret_name:
        return wanted.secret_name
    if wanted and wanted.issuer_ref:
        return names.certificate(platform.name)
    return None
