"""``kubectl-pryv render``: configuration files and objects, without a cluster."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

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


def render(
    *,
    leader_dir: Annotated[
        Path | None,
        typer.Option(help="Render a leader's folder (conf/ and data/) as its leader would."),
    ] = None,
    archive: Annotated[
        Path | None,
        typer.Option(help="Render a received archive (.tgz) as its leader would."),
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(
            "--file",
            "-f",
            help="Render a PryvPlatform: YAML file with it, or with Secrets and ConfigMaps that it "
            "refers to. May be repeated; - is standard input.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write OUTPUT/ROLE/PATH to. With --objects, default: standard output."
        ),
    ] = None,
    objects: Annotated[
        bool,
        typer.Option("--objects", help="With --file: write Kubernetes objects, not files."),
    ] = False,
    show_secrets: Annotated[
        bool,
        typer.Option("--show-secrets", help="With --file: do not mask secret values."),
    ] = False,
    cluster_dns: Annotated[
        str, typer.Option(help="With --file: IP address of the cluster's DNS.")
    ] = placeholders.CLUSTER_DNS,
    owner: Annotated[
        str | None,
        typer.Option(
            metavar="UID[:GID]",
            help="With --output: owner of what is written, such as the user of the image that "
            "reads it. Requires root.",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Write to a folder that is not empty."),
    ] = False,
) -> None:
    """Render the files of every role, without a cluster.

    With --leader-dir or --archive: the files that a follower of each role would have kept, byte
    for byte. A role with a file that cannot be rendered is skipped and reported, and the exit code
    is 1.

    With --file: the files, or the objects, of the platform as the operator would create them.
    Addresses, generated secrets and what else only a cluster knows are placeholders.
    """
    if sum((leader_dir is not None, archive is not None, bool(file))) != 1:
        raise typer.BadParameter("pass exactly one of --leader-dir, --archive and --file")
    if output is None and not objects:
        raise typer.BadParameter("--output is required, except with --objects")
    if (objects or show_secrets) and not file:
        raise typer.BadParameter("--objects and --show-secrets require --file")
    files_owner = parse_owner(owner) if owner is not None else None
    if owner is not None and files_owner is None:
        raise typer.BadParameter(f'--owner: "{owner}" is not UID or UID:GID; use numbers')
    if files_owner and output is None:
        raise typer.BadParameter("--owner requires --output")
    dns_server = server_address(cluster_dns)
    started = time.monotonic()
    with exit_on_error():
        folder = OutputFolder(output, force=force, owner=files_owner) if output else None
        if file:
            documents = read_documents(read_yaml_texts(file))
            prepared = preview.prepare_inputs(
                documents, show_secrets=show_secrets, cluster_dns=dns_server
            )
            if objects:
                _render_objects(prepared, folder)
            elif folder:
                _render_platform_files(prepared, folder)
        elif folder:
            # A leader served whichever roles it had.
            leader = read_leader_from(
                leader_dir or archive or Path(), is_archive=archive is not None, complete=False
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
