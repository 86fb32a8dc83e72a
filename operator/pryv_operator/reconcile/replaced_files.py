"""Files of the templates that the user has replaced: whether the originals have changed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pryv_operator.api.findings import Advisory
from pryv_operator.api.reasons import Reason
from pryv_operator.api.status import ReplacedFileStatus
from pryv_operator.rollout.revision_inputs import keyed_hash, named_hash
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
    today. Hashes are keyed, and the place of a file goes into them: an archive may hold secrets,
    and the status must let neither a reader nor who may write another file verify guesses.
    """
    known = {(each.role, each.path): each for each in before}
    recorded: list[ReplacedFileStatus] = []
    warnings: list[Advisory] = []
    for file in replaced:
        now = ReplacedFileStatus(
            role=file.role,
            path=file.path,
            original=None if file.original is None else _hash(file, file.original, hash_key),
            replacement=_hash(file, file.replacement, hash_key),
        )
        last = _in_form_of_today(known.get((file.role, file.path), now), file, hash_key)
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


def _hash(file: ReplacedFile, content: bytes, hash_key: bytes) -> str:
    return named_hash(hash_key, f"{file.role}/{file.path}", content)


def _in_form_of_today(
    recorded: ReplacedFileStatus, file: ReplacedFile, hash_key: bytes
) -> ReplacedFileStatus:
    """A record with the hashes of earlier versions, of the content alone, exchanged if they hold.

    One that does not stays as it is, and so differs from that of today.
    """

    def renewed(before: str | None, content: bytes | None) -> str | None:
        if content is None or before != keyed_hash(hash_key, content):
            return before
        return _hash(file, content, hash_key)

    return recorded.model_copy(
        update={
            "original": renewed(recorded.original, file.original),
            "replacement": renewed(recorded.replacement, file.replacement),
        }
    )
