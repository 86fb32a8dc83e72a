"""Exit codes of ``kubectl-pryv``, and which error ends with which code.

0: done. 1: the input cannot be used, or the cluster refused the request or cannot be reached.
2: wrong usage, an output folder that must not be written to, or an unusable kubeconfig.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pryv_operator.cli.connection import KubeconfigError
from pryv_operator.cli.input_files import InputError
from pryv_operator.cli.output_folder import OutputError
from pryv_operator.cli.terminal import fail
from pryv_operator.importer.notes import ImportRefusedError
from pryv_operator.leader.render_error import RenderError
from pryv_operator.offline.documents import DocumentError
from pryv_operator.offline.preview import OfflineError
from pryv_operator.rollout.recorded import HistoryError
from pryv_operator.templates.archive_limits import ArchiveError
from pryv_operator.templates.builtin import UnknownReleaseError
from pryv_operator.templates.leader_conf import LeaderError

FAILED: Final = 1
WRONG_USAGE: Final = 2
HELP: Final = (
    "Exit codes: 0 done; 1 the input cannot be used, or the cluster refused the request; "
    "2 wrong usage."
)

_INPUT_ERRORS: Final = (
    ArchiveError,
    DocumentError,
    HistoryError,
    ImportRefusedError,
    InputError,
    LeaderError,
    OfflineError,
    RenderError,
)
_USAGE_ERRORS: Final = (KubeconfigError, OutputError, UnknownReleaseError)


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Write expected errors to standard error and end with their exit code."""
    try:
        yield
    except _INPUT_ERRORS as error:
        fail(str(error), FAILED)
    except _USAGE_ERRORS as error:
        fail(str(error), WRONG_USAGE)
