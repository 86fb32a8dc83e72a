"""Exit codes of ``kubectl-pryv``, and which error ends with which code.

0: done. 1: the input cannot be used, or the cluster refused the request or cannot be reached.
2: wrong usage, an output folder that must not be written to, or an unusable kubeconfig.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from pryv_operator.cli.terminal import fail

FAILED: Final = 1
WRONG_USAGE: Final = 2
HELP: Final = (
    "Exit codes: 0 done; 1 the input cannot be used, or the cluster refused the request; "
    "2 wrong usage."
)

#: Expected errors, with their subclasses, by name: importing them would load all the rooms.
CODES: Final[Mapping[str, int]] = {
    "pryv_operator.cli.cluster.ClusterError": FAILED,
    "pryv_operator.cli.connection.KubeconfigError": WRONG_USAGE,
    "pryv_operator.cli.input_files.InputError": FAILED,
    "pryv_operator.cli.output_folder.OutputError": WRONG_USAGE,
    "pryv_operator.cli.probes.routes.RouteError": WRONG_USAGE,
    "pryv_operator.cli.probes.web.AuthorityError": WRONG_USAGE,
    "pryv_operator.importer.notes.ImportRefusedError": FAILED,
    "pryv_operator.leader.render_error.RenderError": FAILED,
    "pryv_operator.offline.kubernetes_yaml.DocumentError": FAILED,
    "pryv_operator.offline.preview.OfflineError": FAILED,
    "pryv_operator.offline.variables.UnknownVariableError": FAILED,
    "pryv_operator.rollout.recorded.HistoryError": FAILED,
    "pryv_operator.templates.archive_limits.ArchiveError": FAILED,
    "pryv_operator.templates.builtin.UnknownReleaseError": WRONG_USAGE,
    "pryv_operator.templates.leader_conf.LeaderError": FAILED,
}


def exit_code_of(error: BaseException) -> int | None:
    """The exit code of an expected error; None: it is a bug."""
    names = (f"{each.__module__}.{each.__qualname__}" for each in type(error).__mro__)
    return next((CODES[name] for name in names if name in CODES), None)


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Write expected errors to standard error and end with their exit code."""
    try:
        yield
    except Exception as error:
        code = exit_code_of(error)
        if code is None:
            raise
        fail(str(error), code)
