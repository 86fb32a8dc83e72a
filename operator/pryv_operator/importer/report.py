"""The report of an import as Markdown: names, fields and files, never a value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.importer.comparison import compare_files
from pryv_operator.importer.leader_rendering import render_leader_files
from pryv_operator.importer.notes import Note, NoteKind
from pryv_operator.importer.output_files import PLATFORM, SECRETS, TEMPLATES, OutputFile
from pryv_operator.importer.shipped_releases import ReleaseMatch
from pryv_operator.importer.trial import Trial
from pryv_operator.leader.render_error import RenderError
from pryv_operator.templates.leader_folder import Leader

#: Client-side ``kubectl apply`` stores the object in an annotation of at most this size (bytes).
_CLIENT_SIDE_LIMIT: Final = 256 * 1024

_REFUSED: Final = f"The operator would not run {PLATFORM} as it is. Correct these first."
_WARNINGS: Final = "What the operator would report in `status.warnings` of this platform."
_CUT_OVER: Final = (
    "What you apply is a new platform, and its stores are empty: users, events and attachments",
    "stay on the old machines until you move the data. The addresses in the resource are those of",
    "the old machines, and its Services have type ClusterIP unless you change that. So nobody",
    'reaches it yet, although it becomes Ready. Move the data before any user arrives; "Cut over"',
    f"in docs/migrate.md leads through it. Until you remove the annotation `{keys.CUT_OVER}` from",
    f"{PLATFORM}, the condition `CutOver` and `kubectl get pryv` report `CutOverPending`.",
)

_SECTIONS: Final[Sequence[tuple[NoteKind, str, str]]] = (
    ("missing", "Missing", "Not filled in at the leader. Fill these in, or accept what is noted."),
    ("check", "To check", "Review these before you apply the files."),
    ("mapped", "Mapped", "Moved to another field of the resource."),
    ("renamed", "Renamed", "Names of 2019 and their current names."),
    ("set", "Variables", "Declared in `spec.variables`, as they differ from the defaults."),
    ("secret", "Secrets", f"The values are in {SECRETS} and nowhere else."),
    ("not imported", "Not imported", "With the reason."),
)


@dataclass(frozen=True)
class TemplateChoice:
    """The templates that the platform uses."""

    #: The built-in release; None: the leader's own templates.
    release: str | None
    #: How the leader's own templates compare with the built-in releases.
    closest: ReleaseMatch


def render_report(
    leader: Leader,
    choice: TemplateChoice,
    notes: Iterable[Note],
    files: Sequence[OutputFile],
    trial: Trial,
) -> str:
    """The report on an import of ``leader`` to ``files``, which ``trial`` is about."""
    lines = ["# Import of a Pryv.io installation", "", *_summary(leader, choice), ""]
    if trial.refused:
        lines += ["## Would be refused", "", _REFUSED, "", *_list(trial.refused), ""]
    unique = list(dict.fromkeys(notes))
    for kind, heading, meaning in _SECTIONS:
        of_kind = [_line(note) for note in unique if note.kind == kind]
        if of_kind:
            lines += [f"## {heading}", "", meaning, "", *of_kind, ""]
    if trial.warnings:
        lines += ["## Warnings", "", _WARNINGS, "", *_list(trial.warnings), ""]
    lines += ["## Files", "", *_comparison(leader, choice, trial), ""]
    lines += ["## Apply", "", "```", _apply_command(files), "```", ""]
    lines += ["## Cut over", "", *_CUT_OVER]
    return "\n".join(lines) + "\n"


def _line(note: Note) -> str:
    return _item(f"{note.subject}: {note.text}" if note.text else note.subject)


def _list(texts: Iterable[str]) -> list[str]:
    return [_item(text) for text in texts]


def _item(text: str) -> str:
    # Names come from the installation and may hold anything.
    return "- " + "".join(
        each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text
    )


def _apply_command(files: Sequence[OutputFile]) -> str:
    written = {file.name for file in files}
    arguments = [f"-f {name}" for name in (SECRETS, TEMPLATES, PLATFORM) if name in written]
    is_large = any(len(file.text.encode()) > _CLIENT_SIDE_LIMIT for file in files)
    return " ".join(["kubectl apply", *["--server-side"] * is_large, *arguments])


def _summary(leader: Leader, choice: TemplateChoice) -> list[str]:
    """Where the installation comes from, and which templates the platform uses."""
    generation = "2019" if leader.generation == "2019" else "1.6 or later"
    roles = ", ".join(leader.bundle.roles)
    closest = choice.closest
    changes: list[str] = []
    if choice.release is None and not closest.changed:
        templates = (
            f"Its templates are those of {closest.release}, unmodified; as requested, the platform "
            f"uses them, from {TEMPLATES}."
        )
    elif choice.release is None:
        templates = (
            f"Its templates (version {leader.bundle.version}) are not a built-in release, so the "
            f"platform uses them, from {TEMPLATES}."
        )
        changes = _changes(closest)
    elif closest.changed:
        templates = (
            f"As requested, the built-in release {choice.release} replaces its templates, so the "
            "files will differ."
        )
    else:
        templates = (
            f"Its templates are those of {choice.release}, unmodified; the operator's built-in "
            "release replaces them. Its files have the same meaning but not the same bytes; to use "
            "the received templates and their bytes: `kubectl-pryv import --own-templates`."
        )
    return [
        f"The leader's folder is of generation {generation}; its roles are {roles}.",
        templates,
        *changes,
    ]


def _changes(closest: ReleaseMatch) -> list[str]:
    """The changed files, if they are few enough to call the templates a modified release."""
    if len(closest.changed) > closest.files // 4:
        return []
    return [
        "",
        f"Compared with {closest.release}, {len(closest.changed)} files differ:",
        "",
        *(f"- {path}" for path in closest.changed),
    ]


def _comparison(leader: Leader, choice: TemplateChoice, trial: Trial) -> list[str]:
    """How the files of the platform, as written, compare with the leader's."""
    try:
        theirs = render_leader_files(leader)
    except RenderError as error:
        return [f"Not compared, as the leader's own files cannot be rendered: {error}"]
    if trial.refused:
        return ["Not compared, as the platform would be refused (see above)."]
    found = compare_files(theirs, trial.files)
    lines = [f"{len(found.equal)} of {found.total} files are byte-identical to the leader's."]
    if found.same_meaning:
        lines += ["", "Equal when parsed (the order of keys differs):", ""]
        lines += [f"- {path}" for path in found.same_meaning]
    if found.different:
        why = "" if choice.release is None else " (docs/migrate.md lists intended differences)"
        lines += ["", f"Different{why}:", "", *(f"- {path}" for path in found.different)]
    return lines
