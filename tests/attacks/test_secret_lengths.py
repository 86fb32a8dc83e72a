"""Secrets of lengths near every limit: only that they are too long is told, of files they are in.

Public files stand before, between and behind those with a secret: no message may name one, or
change, because a secret is longer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pryv_operator.compose import yaml_loader
from pryv_operator.desired import output_limits
from pryv_operator.leader.substitution import TooLargeError
from pryv_operator.objects.configuration import MAX_OBJECT_BYTES, MAX_SECRET_BYTES
from pryv_operator.rendering.limits import RECONCILIATION_LIMITS, TotalTooLargeError
from pryv_operator.templates.bundle import Bundle
from tests.attacks.test_non_interference import both, public
from tests.examples import examples
from tests.unit.attacks_templates import own

#: Texts, each from a Secret.
SECRETS: Final = ("CORE_MAIL_KEY", "CORE_SYSTEM_KEY", "PLATFORM_NAME", "REGISTER_ADMIN_KEY")
#: Public files, and the variable of each.
PUBLIC: Final = {
    "a.json": "DOMAIN",
    "c.json": "PASSWORD_RESET_URL",
    "c.txt": "EVENT_TYPES_URL",
    "e.json": "PASSWORD_RESET_URL",
    "e.txt": "TERMS_OF_USE_URL",
    "g.json": "DEFAULT_AUTH_URL",
}
_MOUNTS: Final = "    volumes: ['./web/conf:/c:ro']\n"
_ONE: Final = f"services:\n  web:\n    image: a:1\n{_MOUNTS}"
_MANY: Final = "services:\n" + "".join(
    f"  s{number}:\n    image: a:1\n{_MOUNTS}" for number in range(16)
)


@dataclass(frozen=True)
class Limit:
    """A limit, and files with secrets that exceed it where these are about ``length`` long."""

    length: int
    #: Of each file with secrets.
    text: str
    files: tuple[str, ...] = ("b-secret.txt",)
    compose: str = _ONE
    #: Whether there is no such limit where names are replaced.
    jinja_only: bool = False


#: Base64 takes four bytes for three.
_STORED: Final = 3 / 4
LIMITS: Final = {
    "a file": Limit(RECONCILIATION_LIMITS.file, SECRETS[0]),
    "a file of copies": Limit(RECONCILIATION_LIMITS.file // 5, f"{SECRETS[0]} " * 5),
    "all files": Limit(
        RECONCILIATION_LIMITS.total // 3,
        SECRETS[0],
        ("b-secret.txt", "d-secret.txt", "f-secret.txt"),
    ),
    "all parsed files": Limit(
        RECONCILIATION_LIMITS.parsed // 2, f'"{SECRETS[0]}"', ("b-secret.json", "d-secret.json")
    ),
    "typed values": Limit(
        RECONCILIATION_LIMITS.file,
        "{% set all = [" + ",".join(SECRETS) + "] %}",
        jinja_only=True,
    ),
    "an object": Limit(int(MAX_OBJECT_BYTES * _STORED), SECRETS[0]),
    "files of an object": Limit(
        int(MAX_SECRET_BYTES * _STORED / 2), SECRETS[0], ("b-secret.txt", "d-secret.txt")
    ),
    "all objects": Limit(
        int(output_limits.CONFIGURATION_LIMIT * _STORED / 32),
        SECRETS[0],
        ("b-secret.txt", "d-secret.txt"),
        compose=_MANY,
    ),
    "a compose file": Limit(
        yaml_loader.SIZE_LIMIT,
        SECRETS[0],
        compose=_ONE + f"    environment: {{A: {SECRETS[0]}}}\n",
    ),
}
#: All that is told of secrets that are too long; the first two do not depend on a file.
VERDICTS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        re.escape(TotalTooLargeError.hidden_message),
        re.escape(output_limits.HIDDEN_MESSAGE),
        rf"core/web/conf/[bdf]-secret\.\w+(\.j2)?: {re.escape(TooLargeError.hidden_message)}",
        r"core/web/conf/[bdf]-secret\.\w+: larger than the 1,000,000 bytes \(as base64\).*",
        r'core/pryv\.yml: service "\w+": its files with secrets are too large for Secrets;.*',
        r"core/pryv\.yml: not valid once a secret value is inserted .*",
        r"core/pryv\.yml: too large with its secrets;.*",
    )
)
#: Which takes minutes with texts of megabytes.
WITHOUT_SHRINKING: Final = settings(
    max_examples=examples(60), phases=[Phase.explicit, Phase.reuse, Phase.generate]
)


def bundle(limit: Limit, *, jinja: bool, padding: int) -> Bundle:
    """Templates with the files of a limit, and public ones around them."""
    public_files = {path: f'"{name}{"x" * padding}"' for path, name in PUBLIC.items()}
    files = {
        "pryv.yml": limit.compose,
        **{
            f"web/conf/{path}": text
            for path, text in (public_files | dict.fromkeys(limit.files, limit.text)).items()
        },
    }
    if jinja:
        printed = re.compile(rf"\b({'|'.join([*SECRETS, *PUBLIC.values()])})(?![,\]])")
        files = {f"{path}.j2": printed.sub(r"{{ \1 }}", text) for path, text in files.items()}
    mine = own(files, jinja=jinja)
    small = {"pryv.yml": b"services:\n  other:\n    image: o:1\n"}
    return replace(mine, roles={**mine.roles, "reg-master": small, "static": small})


@pytest.mark.parametrize(
    ("name", "jinja"),
    [(name, jinja) for name, each in LIMITS.items() for jinja in sorted({True, each.jinja_only})],
)
@WITHOUT_SHRINKING
@given(
    st.integers(-70, 70) | st.integers(-7000, 0),
    st.integers(0, 9000),
)
def test_a_length_is_told_of_files_with_secrets_only(
    name: str, jinja: bool, more: int, padding: int
) -> None:
    limit = LIMITS[name]
    lengths = [12, limit.length + more, limit.length + 100]
    short, *found = both(
        bundle(limit, jinja=jinja, padding=padding),
        *(dict.fromkeys(SECRETS, "x" * length) for length in lengths),
    )
    assert not short.problems
    assert found[-1].problems
    for each in found:
        assert each.problems or public(each) == public(short)
        for problem in each.problems:
            assert any(verdict.fullmatch(problem.message) for verdict in VERDICTS), problem
