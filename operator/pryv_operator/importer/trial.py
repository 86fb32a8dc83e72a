"""Tries what an import wrote: would the API server and the operator accept it, and render it?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pryv_operator.api.findings import Advisory, Finding, Problem
from pryv_operator.api.reasons import Reason
from pryv_operator.desired import certificates
from pryv_operator.importer.output_files import OutputFile
from pryv_operator.offline import preview
from pryv_operator.offline.documents import DocumentError, Documents, read_documents
from pryv_operator.pki.certificate import Certificate
from pryv_operator.pki.certificate_checks import check_certificate
from pryv_operator.pki.pem import pem_text
from pryv_operator.rendering.files import RenderedFile


@dataclass(frozen=True)
class Trial:
    """What becomes of a platform that is applied as it was written."""

    #: Why it would be refused; each says what to correct.
    refused: tuple[str, ...] = ()
    #: What the operator would warn about, the pending cut-over aside.
    warnings: tuple[str, ...] = ()
    #: Role → its files; empty if they cannot be rendered.
    files: Mapping[str, tuple[RenderedFile, ...]] = field(default_factory=dict)


def try_output(files: Iterable[OutputFile], now: dt.datetime) -> Trial:
    """The model, the desired state and the files of what was written. Needs no cluster.

    Args:
        files: what was written.
        now: the clock, which the certificates are checked against.
    """
    try:
        documents = read_documents((file.name, file.text) for file in files)
    except DocumentError as error:
        return Trial((str(error),))
    refused, warnings = _check_certificates(documents, now)
    try:
        prepared = preview.prepare_inputs(documents, show_secrets=True)
        desired = preview.render_objects(prepared.inputs)
        rendered = preview.render_files(prepared.inputs)
    except DocumentError as error:
        return Trial((str(error), *_messages(refused)))
    except preview.OfflineError as error:
        return Trial(_messages([*error.problems, *refused]))
    found = [*prepared.warnings, *desired.warnings, *warnings]
    others = [each for each in found if each.reason != Reason.CUT_OVER_PENDING]
    return Trial(_messages(refused), _messages(others), rendered.by_role)


def _check_certificates(
    documents: Documents, now: dt.datetime
) -> tuple[list[Problem], list[Advisory]]:
    """What the cluster will say of the certificates among the files."""
    platform = documents.platform
    domain = platform.spec.domain
    covered = {certificates.secret_name(platform): certificates.dns_names(domain)} | {
        name: certificates.role_dns_names(role, domain)
        for role, name in certificates.role_secret_names(platform).items()
    }
    refused: list[Problem] = []
    warnings: list[Advisory] = []
    for name, dns_names in covered.items():
        if name is None:
            continue
        chain, key = (documents.content("Secret", name, each) for each in ("tls.crt", "tls.key"))
        if chain is None or key is None:
            continue
        problem, of_one = check_certificate(
            Certificate(pem_text(chain), pem_text(key)), dns_names, f'Secret "{name}"', now
        )
        refused += [problem] if problem else []
        warnings += of_one
    return refused, warnings


def _messages(findings: Iterable[Finding]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.message for each in findings))
