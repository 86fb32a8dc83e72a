"""Tries what an import wrote: would the API server and the operator accept it, and render it?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pryv_operator.api.findings import Finding
from pryv_operator.api.reasons import Reason
from pryv_operator.importer.output_files import OutputFile
from pryv_operator.offline import preview
from pryv_operator.offline.documents import DocumentError, read_documents
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


def try_output(files: Iterable[OutputFile]) -> Trial:
    """The model, the desired state and the files of what was written. Needs no cluster."""
    try:
        documents = read_documents((file.name, file.text) for file in files)
        prepared = preview.prepare_inputs(documents, show_secrets=True)
        desired = preview.render_objects(prepared.inputs)
        rendered = preview.render_files(prepared.inputs)
    except DocumentError as error:
        return Trial((str(error),))
    except preview.OfflineError as error:
        return Trial(_messages(error.problems))
    found = (*prepared.warnings, *desired.warnings)
    others = [each for each in found if each.reason != Reason.CUT_OVER_PENDING]
    return Trial(warnings=_messages(others), files=rendered.by_role)


def _messages(findings: Iterable[Finding]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.message for each in findings))
