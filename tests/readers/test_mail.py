"""service-mail's libraries take every template in every language, and escape its values."""

from __future__ import annotations

import html
import re
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

import pytest

from tests.readers.node_packages import Node
from tests.readers.platforms import ALL, read_platform
from tests.readers.pod import Pod
from tests.readers.ports import LOOPBACK
from tests.readers.smtp_sink import smtp_sink

TEMPLATES: Final = "/app/bin/templates/"
SETTINGS: Final = "/app/conf/mail.json"
#: What core sends (`business/src/auth/registration.js` and `methods/account.js` of service-core),
#: with characters that mean something in HTML, in pug and in a header.
SUBSTITUTIONS: Final[dict[str, dict[str, str]]] = {
    "welcome-email": {
        "USERNAME": 'al<b>ice</b> & "b\'ob" #{x} !{y} `z` é\u200b',
        "EMAIL": 'alice+"o\'hara"&<b>@example.org',
    },
    "reset-password": {
        "RESET_URL": 'https://sw.example.org/access/reset.html?a=1&b="<2>"',
        "RESET_TOKEN": "tok'en&\"<b>",
    },
}
RECIPIENT: Final = {"name": 'Alice "A" <Émile>, Ltd', "email": "alice@example.org"}


def templates(pod: Pod) -> list[tuple[str, str]]:
    """Type and language of every template that the pod finds."""
    found = re.findall(rf"^{TEMPLATES}([^/]+)/([^/]+)/", "\n".join(pod.files), re.MULTILINE)
    return sorted(set(found))


@pytest.mark.parametrize("name", ALL)
def test_every_template_is_sent_in_every_language(name: str, node: Node, tmp_path: Path) -> None:
    platform = read_platform(name)
    pod = platform.pod("single" if "single" in name else "reg", "mail")
    pod.write(tmp_path)
    sent = templates(pod)
    assert {kind for kind, _ in sent} == set(SUBSTITUTIONS)
    assert {"en", "fr"} <= {language for _, language in sent}
    with smtp_sink() as sink:
        results = node.run(
            "mail.js",
            {
                "settings": f"{tmp_path}{SETTINGS}",
                "root": f"{tmp_path}{TEMPLATES}",
                "smtp": {"host": LOOPBACK, "port": sink.port},
                "sends": [
                    {
                        "template": kind,
                        "language": language,
                        "to": RECIPIENT,
                        "substitutions": SUBSTITUTIONS[kind],
                    }
                    for kind, language in sent
                ],
            },
            environment={"NODE_ENV": "production"},
        )
    assert results == [{"complete": True, "response": "250 kept"}] * len(sent)
    for (kind, _), message in zip(sent, sink.messages, strict=True):
        _check(message, SUBSTITUTIONS[kind])


def _check(message: EmailMessage, substitutions: dict[str, Any]) -> None:
    assert message["to"].addresses[0].addr_spec == RECIPIENT["email"]
    assert message["to"].addresses[0].display_name == RECIPIENT["name"]
    assert "@" in message["from"].addresses[0].addr_spec
    assert message["subject"]
    assert not re.search(r"[#!]\{|&\w+;|undefined|`", message["subject"])
    body = message.get_body(("html",))
    assert body is not None
    text = body.get_content()
    assert "undefined" not in text
    for value in substitutions.values():
        assert "<b>" not in text
        assert value in html.unescape(text)
    plain = message.get_body(("plain",))
    assert plain is not None
    assert plain.get_content().strip()
