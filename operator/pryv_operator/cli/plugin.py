"""``kubectl-pryv``, which ``kubectl pryv`` runs. What is here needs no cluster; what does is in ``cli/history.py``.

Exit codes: 0 done, 1 the input cannot be used (the message says file, line and variable), or the cluster cannot or may not do it,
2 wrong usage, an output folder that must not be written to, or a kubeconfig that cannot be used.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from pryv_operator import __version__
from pryv_operator.cli import history
from pryv_operator.cli.folders import FolderError, Output, OutputError, read_leader_folder
from pryv_operator.cli.output import fail, say
from pryv_operator.importer import leader_rendering
from pryv_operator.importer.import_leader import (
    DEFAULT_NAME,
    Options,
    import_leader,
    is_platform_name,
)
from pryv_operator.importer.notes import ImportRefusedError
from pryv_operator.leader.render_error import RenderError
from pryv_operator.objects import manifest
from pryv_operator.offline import preview
from pryv_operator.offline.documents import DocumentError, read_documents
from pryv_operator.rendering.files import RenderedFile
from pryv_operator.templates.archive import ArchiveError, leader_of
from pryv_operator.templates.builtin import UnknownReleaseError
from pryv_operator.templates.leader_folder import Leader, LeaderError, read_leader

plugin = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Pryv.io platforms from the command line. Exit codes: 0 done, 1 the input cannot be used or it was refused, 2 wrong usage.",
)

#: What a person writes by hand is smaller; ConfigMaps with templates come to a few MiB.
_TEXT_LIMIT: Final = 64 * 1024 * 1024
_UNUSABLE: Final = (
    ArchiveError,
    DocumentError,
    FolderError,
    ImportRefusedError,
    LeaderError,
    RenderError,
    preview.OfflineError,
)


@plugin.callback()
def main() -> None:
    """Pryv.io platforms from the command line."""


@plugin.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


@plugin.command()
def render(
    *,
    leader_dir: Annotated[
        Path | None,
        typer.Option(
            help="A leader's folder (conf/ and data/), filled in: its files in the bytes the leader would send."
        ),
    ] = None,
    archive: Annotated[
        Path | None, typer.Option(help="The same from a received archive (.tgz).")
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(
            "--file",
            "-f",
            help="YAML with a platform, or with Secrets and ConfigMaps for it; repeat it; - is standard input.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write to: OUTPUT/ROLE/PATH. With --objects, standard output if left out."
        ),
    ] = None,
    objects: Annotated[
        bool, typer.Option("--objects", help="Kubernetes objects instead of files (with -f).")
    ] = False,
    show_secrets: Annotated[
        bool,
        typer.Option("--show-secrets", help="Secret values as they are, not masked (with -f)."),
    ] = False,
    cluster_dns: Annotated[
        str, typer.Option(help="IP address of the cluster's DNS (with -f).")
    ] = preview.CLUSTER_DNS,
    force: Annotated[
        bool, typer.Option("--force", help="Write into a folder that is not empty.")
    ] = False,
) -> None:
    """Render the files of every role, without a cluster.

    From a leader's folder (--leader-dir) or archive (--archive): what a follower of each role would have kept, byte for byte.
    A role with a file that cannot be rendered is left out and named, and the exit code is 1: the leader, too, failed for that role only.
    From a resource (-f): what the operator would make of it; what only a cluster knows has placeholders.
    """
    if sum((leader_dir is not None, archive is not None, bool(file))) != 1:
        raise typer.BadParameter(
            "say what to render, in one way: --leader-dir DIR, --archive FILE, or -f FILE"
        )
    if output is None and not objects:
        raise typer.BadParameter("--output DIR is missing")
    if (objects or show_secrets) and not file:
        raise typer.BadParameter("--objects and --show-secrets go with -f")
    started = time.monotonic()
    with _explained():
        target = Output(output, force=force) if output else None
        if file:
            _render_platform(
                file, target, objects=objects, show_secrets=show_secrets, cluster_dns=cluster_dns
            )
        else:
            # The leader served whatever roles there were.
            leader = _leader(
                leader_dir or archive or Path(), is_archive=archive is not None, complete=False
            )
            waiting = leader_rendering.ungenerated_variables(leader)
            if waiting:
                say(
                    f"warning: not generated yet, so the word stands in the files: {', '.join(waiting)}"
                )
            if leader.unset:
                say(f"warning: not filled in: {', '.join(leader.unset)}")
            assert target is not None  # noqa: S101 - --output was asked for above
            answers = leader_rendering.render_each_role(leader)
            _write_roles(target, answers.files)
            if answers.errors:
                fail(
                    "\n".join(
                        f"role {role} was not written: {error}"
                        for role, error in answers.errors.items()
                    ),
                    1,
                )
    say(f"done in {time.monotonic() - started:.2f} s")


@plugin.command("import")
def import_(
    source: Annotated[
        Path,
        typer.Argument(
            help="A leader's folder (of any release, 2019 included), or a received archive (.tgz)."
        ),
    ],
    *,
    output: Annotated[
        Path,
        typer.Option(
            help="Folder to write platform.yaml, secrets.yaml, templates.yaml and report.md to."
        ),
    ],
    name: Annotated[
        str, typer.Option(help="Name of the platform. For ever: everything is named after it.")
    ] = DEFAULT_NAME,
    namespace: Annotated[
        str | None, typer.Option(help="Namespace of the platform; kubectl's own when left out.")
    ] = None,
    release: Annotated[
        str | None,
        typer.Option(
            help="Use this built-in release whatever the templates are; theirs are left behind."
        ),
    ] = None,
    own_templates: Annotated[
        bool,
        typer.Option(
            "--own-templates",
            help="Keep the received templates, and so their bytes, though they are a built-in release's.",
        ),
    ] = False,
    skip_unknown: Annotated[
        bool, typer.Option("--skip-unknown", help="Leave out variables that no template knows.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Write into a folder that is not empty.")
    ] = False,
) -> None:
    """Take over an installation: its leader's folder becomes a resource, its Secrets, and a report of what became of what."""
    if not is_platform_name(name):
        raise typer.BadParameter(
            "--name is made of lower-case letters, digits and '-', and begins with a letter"
        )
    if release and own_templates:
        raise typer.BadParameter(
            "--release leaves the received templates behind, and --own-templates keeps them: say one of them"
        )
    started = time.monotonic()
    with _explained():
        leader = _leader(source, is_archive=not source.is_dir(), complete=True)
        imported = import_leader(
            leader, Options(name, namespace, release, skip_unknown, own_templates)
        )
        Output(output, force=force).write(
            {each.name: (each.text.encode(), each.secret) for each in imported.files}
        )
    for each in imported.check:
        say(f"to check: {each}")
    if imported.missing:
        say(f"missing: {', '.join(imported.missing)}")
    say(
        f"wrote {', '.join(each.name for each in imported.files)} to {output} in {time.monotonic() - started:.2f} s; read report.md first"
    )


plugin.command()(history.history)
plugin.command()(history.diff)
plugin.command()(history.rollback)


# --- reading ---


def _leader(path: Path, *, is_archive: bool, complete: bool) -> Leader:
    say(f"reading {path}")
    if not is_archive:
        return read_leader(read_leader_folder(path), complete=complete)
    try:
        with path.open("rb") as file:
            return leader_of(file, complete=complete)
    except OSError as error:
        raise FolderError(f"{path}: {error.strerror}") from None
    except ArchiveError as error:
        raise ArchiveError(error.reason, f"{path}: {error.message}") from None


def _texts(files: Iterable[str]) -> Iterator[tuple[str, str]]:
    for file in files:
        say(f"reading {'standard input' if file == '-' else file}")
        try:
            if file == "-":
                content = sys.stdin.buffer.read(_TEXT_LIMIT + 1)
            else:
                with Path(file).open("rb") as opened:
                    content = opened.read(_TEXT_LIMIT + 1)
        except OSError as error:
            raise FolderError(f"{file}: {error.strerror}") from None
        if len(content) > _TEXT_LIMIT:
            raise DocumentError(f"it is larger than {_TEXT_LIMIT // 1024 // 1024} MiB", file)
        try:
            yield file, content.decode()
        except UnicodeDecodeError:
            raise DocumentError("it is no UTF-8 text", file) from None


# --- rendering a resource ---


def _render_platform(
    files: list[str], target: Output | None, *, objects: bool, show_secrets: bool, cluster_dns: str
) -> None:
    prepared = preview.prepare(
        read_documents(_texts(files)), show_secrets=show_secrets, cluster_dns=cluster_dns
    )
    warnings = list(prepared.warnings)
    if objects:
        found = preview.all_objects(prepared.inputs)
        warnings += found.warnings
        request = (found.certificate_request,) if found.certificate_request else ()
        everything = (*found.services, *request, *found.objects)
        if target:
            names = {
                f"{item['kind'].lower()}-{item['metadata']['name']}.yaml": item
                for item in everything
            }
            target.write(
                {
                    name: (manifest.dump([item]).encode(), item["kind"] == "Secret")
                    for name, item in names.items()
                }
            )
        else:
            typer.echo(manifest.dump(everything), nl=False)
        say(f"{len(everything)} objects")
    else:
        rendered, found_warnings = preview.rendered_files(prepared.inputs)
        warnings += found_warnings
        assert target is not None  # noqa: S101 - asked for before
        _write_roles(target, rendered)
    for warning in dict.fromkeys(warnings):
        say(f"warning: {warning.message}")


# --- writing ---


def _write_roles(target: Output, rendered: Mapping[str, tuple[RenderedFile, ...]]) -> None:
    for role, files in rendered.items():
        target.write({f"{role}/{file.path}": (file.content, file.secret) for file in files})
        say(f"{role}: {len(files)} files")


@contextmanager
def _explained() -> Iterator[None]:
    """Errors of the input and of usage as one line each, and the exit code that belongs to them."""
    try:
        yield
    except _UNUSABLE as error:
        fail(str(error), 1)
    except (OutputError, UnknownReleaseError) as error:
        fail(str(error), 2)
