"""``kubectl-pryv import``: a docker-compose installation as files for ``kubectl apply``."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path

import typer

from pryv_operator.cli.exit_codes import FAILED, exit_on_error
from pryv_operator.cli.input_files import read_leader_from
from pryv_operator.cli.output_folder import OutputFolder
from pryv_operator.cli.terminal import fail, report
from pryv_operator.importer.import_leader import (
    Options,
    import_leader,
    is_platform_name,
)


def import_installation(source: Path, output: Path, options: Options, *, force: bool) -> None:
    """Import as the options say, write the files, and report to the terminal."""
    if not is_platform_name(options.name):
        raise typer.BadParameter(
            f'--name: "{options.name}" is not a valid name; '
            "use a-z, 0-9 and '-', beginning with a letter"
        )
    started = time.monotonic()
    with exit_on_error():
        leader = read_leader_from(source, is_archive=not source.is_dir(), complete=True)
        imported = import_leader(leader, options, dt.datetime.now(dt.UTC))
        OutputFolder(output, force=force).write(
            {each.name: (each.text.encode(), each.secret) for each in imported.files}
        )
    for line in imported.check:
        report(f"to check: {line}")
    for line in imported.warnings:
        report(f"warning: {line}")
    if imported.missing:
        report(f"missing: {', '.join(imported.missing)}")
    written = ", ".join(each.name for each in imported.files)
    took = time.monotonic() - started
    report(f"wrote {written} to {output} in {took:.2f} s; read report.md first")
    report(
        "the new platform's stores are empty, and its users stay on the old machines until you cut "
        'over: see "Cut over" in docs/migrate.md'
    )
    if imported.refused:
        fail("\n".join(f"would be refused: {line}" for line in imported.refused), FAILED)
