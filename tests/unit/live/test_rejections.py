"""Messages about objects that the API server rejects: never with the content of a Secret."""

from __future__ import annotations

import pytest

from pryv_operator.kube.errors import RejectedError
from pryv_operator.live.rejections import name_in_use, rejection_problem

CANARY = "canary-93b1"


def message_for(kind: str, message: str) -> str:
    return rejection_problem(
        {"kind": kind, "metadata": {"name": "x"}}, RejectedError(403, "Forbidden", message)
    ).message


@pytest.mark.parametrize(
    "message",
    [
        f'admission webhook "w" denied the request: {CANARY}',
        (
            'secrets "x" is forbidden: ValidatingAdmissionPolicy "p" with binding "b" '
            f"denied request: {CANARY}"
        ),
        f'Secret "x" is invalid: data[{CANARY}]',
    ],
)
def test_messages_that_may_quote_a_secret_are_not_repeated(message: str) -> None:
    assert CANARY not in message_for("Secret", message)
    assert CANARY in message_for("Service", message)


@pytest.mark.parametrize(
    "message",
    [
        (
            'secrets "x" is forbidden: exceeded quota: small, requested: secrets=1, '
            "used: secrets=2, limited: secrets=2"
        ),
        'secrets is forbidden: User "u" cannot create resource "secrets" in API group ""',
    ],
)
def test_messages_that_cannot_quote_a_secret_are(message: str) -> None:
    assert message in message_for("Secret", message)


def test_a_pvc_whose_name_is_in_use_is_never_to_be_deleted() -> None:
    """It may hold restored data."""
    message = name_in_use("PersistentVolumeClaim", "acme-co1-core-data").problem.message
    assert "pryv.io/adopt" in message
    assert "delete" not in message
    assert "delete" in name_in_use("Service", "acme-reg").problem.message
