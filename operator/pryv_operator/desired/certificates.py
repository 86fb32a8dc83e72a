"""Certificates of a platform: their DNS names, their Secrets, and the file names nginx reads."""

from __future__ import annotations

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.instances import instances
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.objects.model import File
from pryv_operator.pki.certificate import Certificate


def dns_names(domain: str) -> list[str]:
    """DNS names that a platform's certificate must cover: ``DOMAIN`` and ``*.DOMAIN``."""
    return [domain, f"*.{domain}"]


def role_dns_names(role: str, domain: str) -> list[str]:
    """DNS names that a role's own certificate must cover."""
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


def certificate_files(folder: str, domain: str, certificate: Certificate) -> tuple[File, ...]:
    """The certificate and its key as files, named as the nginx.conf of every release reads them."""
    return (
        File(f"{folder}/{domain}-bundle.crt", certificate.chain, secret=True),
        File(f"{folder}/{domain}-key.pem", certificate.key, secret=True),
    )


def certificate_request(platform: Platform) -> Object | None:
    """The Certificate object for cert-manager; None unless ``spec.tls.issuerRef`` is set."""
    issuer = platform.spec.tls.issuer_ref if platform.spec.tls else None
    if issuer is None:
        return None
    name = names.cert_manager_certificate(platform.name)
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


def secret_name(platform: Platform) -> str | None:
    """Name of the Secret with the platform's certificate; None when the operator issues it."""
    tls = platform.spec.tls
    if tls and tls.secret_name:
        return tls.secret_name
    if tls and tls.issuer_ref:
        return names.cert_manager_certificate(platform.name)
    return None


def role_secret_names(platform: Platform) -> dict[str, str]:
    """Role → name of the Secret with the role's own certificate, for roles that have one."""
    return {
        instance.role: instance.tls_secret
        for instance in instances(platform.spec)
        if instance.tls_secret
    }
