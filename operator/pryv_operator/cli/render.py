"""``kubectl-pryv render``: configuration files and objects, without a cluster."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from pryv_operator.api.findings import Advisory
from pryv_operator.cli.dns_option import server_address
from pryv_operator.cli.exit_codes import FAILED, exit_on_error
from pryv_operator.cli.input_files import read_leader_from, read_yaml_texts
from pryv_operator.cli.output_folder import OutputFolder, parse_owner
from pryv_operator.cli.terminal import fail, report
from pryv_operator.importer.leader_rendering import render_each_role, ungenerated_variables
from pryv_operator.objects import manifest
from pryv_operator.offline import placeholders, preview
from pryv_operator.offline.documents import read_documents
from pryv_operator.offline.preview import OfflineInputs
from pryv_operator.rendering.files import RenderedFile
from pryv_operator.templates.leader_folder import Leader


@dataclass(frozen=True)
class Options:
    """Options of ``render``, as its help describes them."""

    leader_dir: Path | None
    archive: Path | None
    files: Sequence[str]
    output: Path | None
    objects: bool
    show_secrets: bool
    cluster_dns: str | None
    owner: str | None
    force: bool


def render(options: Options) -> None:
    """Render as the options say, and report to the terminal."""
    owner = parse_owner(options.owner) if options.owner is not None else None
    if options.owner is not None and owner is None:
        raise typer.BadParameter(f'--owner: "{options.owner}" is not UID or UID:GID; use numbers')
    dns_server = server_address(options.cluster_dns or placeholders.CLUSTER_DNS)
    started = time.monotonic()
    with exit_on_error():
        folder = (
            OutputFolder(options.output, force=options.force, owner=owner)
            if options.output
            else None
        )
        if options.files:
            documents = read_documents(read_yaml_texts(options.files))
            prepared = preview.prepare_inputs(
                documents, show_secrets=options.show_secrets, cluster_dns=dns_server
            )
            if options.objects:
                _render_objects(prepared, folder)
            elif folder:
                _render_platform_files(prepared, folder)
        elif folder:
            # A leader served whichever roles it had.
            leader = read_leader_from(
                options.leader_dir or options.archive or Path(),
                is_archive=options.archive is not None,
                complete=False,
            )
            _render_leader_files(leader, folder)
    report(f"done in {time.monotonic() - started:.2f} s")


def _render_leader_files(leader: Leader, folder: OutputFolder) -> None:
    ungenerated = ungenerated_variables(leader)
    if ungenerated:
        report(f'warning: {", ".join(ungenerated)}: not generated yet, so files contain "SECRET"')
    if leader.unset:
        report(f"warning: {', '.join(leader.unset)}: not filled in")
    rendered = render_each_role(leader)
    _write_roles(folder, rendered.files)
    if rendered.errors:
        errors = [f"role {role}: not written: {error}" for role, error in rendered.errors.items()]
        fail("\n".join(errors), FAILED)


def _render_platform_files(prepared: OfflineInputs, folder: OutputFolder) -> None:
    files = preview.render_files(prepared.inputs)
    _write_roles(folder, files.by_role)
    _report_warnings((*prepared.warnings, *files.warnings))


def _render_objects(prepared: OfflineInputs, folder: OutputFolder | None) -> None:
    desired = preview.render_objects(prepared.inputs)
    request = (desired.certificate_request,) if desired.certificate_request else ()
    objects = (*desired.services, *request, *desired.objects)
    if folder:
        by_name = {
            f"{item['kind'].lower()}-{item['metadata']['name']}.yaml": item for item in objects
        }
        folder.write(
            {
                name: (manifest.dump([item]).encode(), item["kind"] == "Secret")
                for name, item in by_name.items()
            }
        )
    else:
        typer.echo(manifest.dump(objects), nl=False)
    report(f"{len(objects)} objects")
    _report_warnings((*prepared.warnings, *desired.warnings))


def _write_roles(folder: OutputFolder, rendered: Mapping[str, tuple[RenderedFile, ...]]) -> None:
    for role, files in rendered.items():
        folder.write({f"{role}/{file.path}": (file.content, file.secret) for file in files})
        report(f"{role}: {len(files)} files")


def _report_warnings(warnings: Iterable[Advisory]) -> None:
    for warning in dict.fromkeys(warnings):
        report(f"warning: {warning.message}")
