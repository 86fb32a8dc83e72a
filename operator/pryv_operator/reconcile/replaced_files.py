"""Files of the templates that the user has replaced: whether the originals have changed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pryv_operator.api.findings import Advisory
from pryv_operator.api.reasons import Reason
from pryv_operator.api.status import ReplacedFileStatus
from pryv_operator.rollout.revision_inputs import keyed_hash
from pryv_operator.templates.bundle import ReplacedFile


@dataclass(frozen=True)
class ReplacedFiles:
    """What is recorded of the replaced files, and warnings about them."""

    recorded: tuple[ReplacedFileStatus, ...] = ()
    warnings: tuple[Advisory, ...] = ()


def compare_replaced(
    replaced: Iterable[ReplacedFile], before: Sequence[ReplacedFileStatus], hash_key: bytes
) -> ReplacedFiles:
    """Compare the originals with those that were replaced.

    ``before``: what was recorded so far. A changed replacement counts as made from the original of
    today. Hashes are keyed: an archive may hold secrets, and the status must not let a reader
    verify guesses.
    """
    known = {(each.role, each.path): each for each in before}
    recorded: list[ReplacedFileStatus] = []
    warnings: list[Advisory] = []
    for file in replaced:
        now = ReplacedFileStatus(
            role=file.role,
            path=file.path,
            original=None if file.original is None else keyed_hash(hash_key, file.original),
            replacement=keyed_hash(hash_key, file.replacement),
        )
        last = known.get((file.role, file.path), now)
        if last.replacement != now.replacement:
            last = now
        recorded.append(last)
        if file.original is None:
            warnings.append(
                Advisory(
                    Reason.NOTHING_REPLACED,
                    f'spec.templates.files: role {file.role} has no file "{file.path}" in its '
                    "templates, so it is added; correct the path if it should replace one",
                )
            )
        elif last.original != now.original:
            warnings.append(
                Advisory(
                    Reason.ORIGINAL_CHANGED,
                    f'spec.templates.files: file "{file.path}" of role {file.role} has changed in '
                    "the templates since you replaced it; compare the two, and adapt yours (any "
                    "change of it confirms that)",
                )
            )
    return ReplacedFiles(tuple(recorded), tuple(warnings))
