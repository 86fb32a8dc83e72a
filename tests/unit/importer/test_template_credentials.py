"""Credentials that are written into template files are in no ConfigMap, and named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pryv_operator.templates.leader_folder import read_leader
from tests.unit.importer.leaders import COMPOSE, current, everything_readable, imported
from tests.unit.templates.archives import release_files

CANARY = "canary-4815162342"
COMPOSE_CORE = (COMPOSE % ((b"core",) * 3)).decode()
#: Path → text of the file.
PLANTED = {
    "reg-master/mail/conf/mail.json": json.dumps({"smtp": {"auth": {"pass": CANARY}}}),
    "core/core/conf/core.yml": f"auth:\n  adminAccessKey: {CANARY}\n",
    "core/core/conf/list.yml": f"stores:\n  - settings:\n      smtpPass: {CANARY}\n",
    "core/pryv.yml": COMPOSE_CORE + f"    environment: [DB_PASSWORD={CANARY}]\n",
    "core/nginx/conf/.htpasswd": f"admin:{CANARY}\n",
    "core/nginx/conf/users": f"# users\nadmin:$apr1$abc${CANARY}\n",
    "core/core/conf/store.json": json.dumps({"uri": f"mongodb://me:{CANARY}@db"}),
    "core/core/conf/with-variables.json": f'{{"a": [HOSTINGS, {{"apiKey": "{CANARY}"}}]}}',
    "core/core/conf/not-yet-valid.json": f'{{"a": DOMAIN DOMAIN,\n"apiKey": "{CANARY}"',
    "core/core/conf/site.conf": f"proxy_pass https://me:{CANARY}@up.acme.test;\n",
    "core/redis/conf/redis.conf": f"port 6379\nrequirepass {CANARY}\n",
    "core/core/.env": f"export API_TOKEN={CANARY}\n",
    "core/core/conf/blob.json": json.dumps({"url": f"https://a.test/?sv=1&sig={CANARY}"}),
    "core/core/conf/key.txt": f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\n",
}
HONEST = {
    "core/core/conf/core.yml": (
        "auth:\n  adminAccessKey: CORE_SYSTEM_KEY\n  header: Bearer CORE_SYSTEM_KEY\n"
        "  passwordResetPageURL: https://sw.DOMAIN/reset\n  ssoCookieDomain: .DOMAIN\n"
    ),
    "core/core/conf/store.json": '{"uri": "mongodb://me:CORE_SYSTEM_KEY@DOMAIN/?token=CORE_SYSTEM_KEY"}',
    "core/core/conf/open.json": '{"apiKey": "", "pass": "REPLACE_ME", "key": "OVERRIDE_ME"}',
    "core/pryv.yml": COMPOSE_CORE + '    environment: ["DB_PASSWORD=${DB_PASSWORD}"]\n',
    "core/nginx/conf/site.conf": "# a: b\nproxy_pass http://core:3000;\n",
    "core/redis/conf/redis.conf": "# requirepass foobared\nrequirepass CORE_SYSTEM_KEY\n",
}


def kind_of_templates(text: str) -> str:
    return next(line for line in text.splitlines() if line.startswith("kind: "))


@pytest.mark.parametrize("path", PLANTED)
def test_credential_in_a_file(path: str) -> None:
    result = imported(current(files={f"data/{path}": PLANTED[path].encode()}))
    assert CANARY not in everything_readable(result)
    assert kind_of_templates(result.text("templates.yaml")) == "kind: Secret"
    named = [each for each in result.check if each.startswith(f"{path}: ")]
    assert len(named) == 1
    assert f"- {named[0]}" in result.text("report.md")


@pytest.mark.parametrize("path", HONEST)
def test_file_without_a_credential(path: str) -> None:
    result = imported(current(files={f"data/{path}": HONEST[path].encode()}))
    assert kind_of_templates(result.text("templates.yaml")) == "kind: ConfigMap"
    assert not [each for each in result.check if each.startswith(f"{path}: ")]


@pytest.mark.parametrize("release", ["1.6.12-cluster", "1.7.3-single-node", "1.9.2-cluster"])
def test_templates_as_pryv_ships_them(shared_pryv: Path, release: str) -> None:
    leader = read_leader(release_files(shared_pryv / "releases", release))
    result = imported(leader, own_templates=True)
    assert kind_of_templates(result.text("templates.yaml")) == "kind: ConfigMap"
