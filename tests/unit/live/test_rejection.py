"""What is said of an object that the API server does not take: never what a Secret holds."""

from __future__ import annotations

import pytest

from pryv_operator.kube.errors import RejectedError
from pryv_operator.live.apply import rejection_problem

CANARY = "canary-93b1"


def said(kind: str, message: str) -> str:
    return rejection_problem(
        {"kind": kind, "metadata": {"name": "x"}}, RejectedError(403, "Forbidden", message)
    ).message


@pytest.mark.parametrize(
    "message",
    [
        f'admission webhook "w" denied the request: {CANARY}',
        f'secrets "x" is forbidden: ValidatingAdmissionPolicy "p" with binding "b" denied request: {CANARY}',
        f'Secret "x" is invalid: data[{CANARY}]',
    ],
)
def test_what_may_quote_a_secret_is_not_repeated(message: str) -> None:
    assert CANARY not in said("Secret", message)
    assert CANARY in said("Service", message)


@pytest.mark.parametrize(
    "message",
    [
        'secrets "x" is forbidden: exceeded quota: small, requested: secrets=1, used: secrets=2, limited: secrets=2',
        'secrets is forbidden: User "u" cannot create resource "secrets" in API group ""',
    ],
)
def test_what_cannot_is(message: str) -> None:
    assert message in said("Secret", message)
