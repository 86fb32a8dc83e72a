"""Objects that cannot be applied: what is reported, without quoting a Secret. Pure."""

from __future__ import annotations

import re
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.findings import Problem
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.reasons import Reason
from pryv_operator.kube.errors import RejectedError

#: Rejections that never quote an object's content: quotas and permissions.
_QUOTA_OR_PERMISSION: Final = re.compile(
    r'[a-z.]+ (?:"[^"]+" )?is forbidden: (?:exceeded quota|failed quota|User )'
)
_WEBHOOK: Final = re.compile(r'admission webhook "([^"]+)"')


class ApplyRejectedError(Exception):
    """The API server rejects an object; nothing of its step was applied.

    ``problem`` is what the status reports.
    """

    def __init__(self, problem: Problem) -> None:
        """``problem``: which object is rejected, and why."""
        self.problem = problem
        super().__init__(problem.message)


def rejection_problem(item: Object, error: RejectedError) -> Problem:
    """The problem to report for an object that the API server rejects."""
    detail = message_without_content(error) if item["kind"] == "Secret" else error.message
    return Problem(
        Reason.FORBIDDEN if error.status == 403 else Reason.REJECTED,
        f'{item["kind"]} "{item["metadata"]["name"]}": rejected by the API server: {detail}',
    )


def message_without_content(error: RejectedError) -> str:
    """The API server's message, unless it may quote an object's content; else only the reason.

    Admission webhooks and policies may quote the object, and so do messages about invalid values.
    """
    if _QUOTA_OR_PERMISSION.match(error.message):
        return error.message
    webhook = _WEBHOOK.match(error.message)
    return f'denied by admission webhook "{webhook[1]}"' if webhook else error.reason


def name_in_use(kind: str, name: str) -> ApplyRejectedError:
    """The error for a name that an object of another owner has."""
    remedy = "rename or delete it, or give the platform another name"
    if kind == "PersistentVolumeClaim":
        remedy = (
            f"if it was restored with its labels, set the annotation {keys.ADOPT} to a new value; "
            "otherwise give the platform another name"
        )
    message = f'{kind} "{name}": already exists and does not belong to this platform; {remedy}'
    return ApplyRejectedError(Problem(Reason.NAME_IN_USE, message))
