"""The stand-ins for Pryv's images: what they do with rendered files.

No cluster and no container engine is needed.
"""

from __future__ import annotations

import http.server
import json
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

import pytest

from tests.cluster.processes import ServerProcess
from tests.cluster.run_folder import RunFolder
from tests.e2e.images.build import FOLDER, KINDS, ensure_packages
from tests.e2e.images.release import images_of_release, name_of
from tests.readers.conftest import echo_of
from tests.readers.node_packages import ensure_node
from tests.readers.platforms import ReadPlatform, read_platform
from tests.readers.ports import LOOPBACK, free_port, wait_until_accepts
from tests.readers.redis import running_redis
from tests.readers.smtp_sink import smtp_sink

PROGRAMS: Final = FOLDER / "files" / "all" / "app" / "bin"


@dataclass(frozen=True)
class Programs:
    """The programs of the stand-ins, and what runs them."""

    node: Path
    packages: Path

    def command(self, program: str, file: Path, **options: object) -> list[str]:
        """A command line; options are settings that replace those of the file."""
        changed = [f"--{name.replace('__', ':')}={value}" for name, value in options.items()]
        return [str(self.node), str(PROGRAMS / program), f"--config={file}", *changed]

    @property
    def environment(self) -> dict[str, str]:
        return {"NODE_ENV": "production", "NODE_PATH": str(self.packages)}

    @contextmanager
    def running(
        self, folder: RunFolder, program: str, file: Path, port: int, **options: object
    ) -> Iterator[ServerProcess]:
        """A program, once it accepts connections."""
        command = self.command(program, file, **options)
        name = f"{program}-{port}"
        process = ServerProcess(name, command, folder, env=self.environment, grace_seconds=2)
        try:
            wait_until_accepts(port, process.check_alive, seconds=60)
            yield process
        finally:
            process.stop(abruptly=True)

    def refuses(self, program: str, file: Path, **options: object) -> str:
        """What a program writes when it ends by itself with a failure."""
        done = subprocess.run(
            self.command(program, file, **options),
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 1, f"exit code {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture(scope="session")
def run_folder() -> Iterator[RunFolder]:
    """A temporary folder of this run."""
    folder = RunFolder()
    yield folder
    folder.remove()


@pytest.fixture(scope="session")
def programs(request: pytest.FixtureRequest) -> Programs:
    """The programs, with their packages installed."""
    echo = echo_of(request.config)
    return Programs(ensure_node(echo).program, ensure_packages(echo))


@pytest.fixture(scope="session")
def rendered() -> ReadPlatform:
    """A cluster as the operator renders it."""
    return read_platform("builtin-cluster")


def file_of(platform: ReadPlatform, component: str, path: str, folder: Path) -> Path:
    """A file of a pod, written to a folder."""
    instance = "reg" if component in ("register", "dns", "mail") else "co1"
    platform.pod(instance, component).write(folder)
    return folder / path.removeprefix("/")


def ask(url: str, body: Any = None, key: str = "") -> Any:
    """The JSON that a URL returns; with a body: of a POST."""
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data, {"Content-Type": "application/json", "Authorization": key})
    with urlopen(request, timeout=30) as answer:
        return json.load(answer)


@contextmanager
def service_information(status: int = 200) -> Iterator[str]:
    """The URL of a server that returns service information."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"serial": "1", "api": "https://{username}.example.org/"}')

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            pass

    with http.server.ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://{LOOPBACK}:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


def test_an_account_is_registered_and_found_by_dns(
    programs: Programs, rendered: ReadPlatform, run_folder: RunFolder, tmp_path: Path
) -> None:
    file = file_of(rendered, "register", "/app/conf/register.json", tmp_path)
    settings = json.loads(file.read_text())
    key = next(k for k, v in settings["auth"]["authorizedKeys"].items() if "system" in v["roles"])
    core = f"co2.{rendered.domain}"
    with running_redis(rendered.pod("reg", "redis"), run_folder) as redis:
        options = {"redis__host": LOOPBACK, "redis__port": redis.port, "dns__ip": LOOPBACK}
        port = free_port()
        options |= {"server__port": port, "dns__port": port}
        with programs.running(run_folder, "register.js", file, port, **options):
            url = f"http://{LOOPBACK}:{port}"
            assert ask(f"{url}/service/info")["name"] == settings["service"]["name"]
            unique = {"username": "alice", "email": "alice@example.org"}
            asked = {"username": "alice", "uniqueFields": unique, "core": core}
            assert ask(f"{url}/users/validate", asked, key) == {"reservation": True}
            created = {"user": unique, "host": {"name": core}, "unique": list(unique)}
            ask(f"{url}/users", created, key)
            assert ask(f"{url}/alice/check_username") == {"reserved": True}
            assert resolve(programs, port, f"alice.{rendered.domain}", "CNAME") == [core]
            hostings = settings["net"]["hostings"].values()
            address = next(cores["co2"]["ip"] for cores in hostings if "co2" in cores)
            assert resolve(programs, port, core, "A") == [address]


def resolve(programs: Programs, port: int, name: str, kind: str) -> Any:
    """The records that a DNS server has for a name."""
    code = f"""
        const resolver = new (require('dns').promises.Resolver)();
        resolver.setServers(['{LOOPBACK}:{port}']);
        resolver.resolve('{name}', '{kind}').then((all) => console.log(JSON.stringify(all)));
    """
    command = [str(programs.node), "-e", code]
    return json.loads(subprocess.check_output(command, timeout=30))


def test_mail_sends_from_the_rendered_templates(
    programs: Programs, rendered: ReadPlatform, run_folder: RunFolder, tmp_path: Path
) -> None:
    file = file_of(rendered, "mail", "/app/conf/mail.json", tmp_path)
    key = json.loads(file.read_text())["http"]["auth"]
    port = free_port()
    templates = tmp_path / "app/bin/templates"
    with smtp_sink() as sink:
        changed = {"templates__root": templates, "logs__file__active": "false"}
        changed |= {"smtp__host": LOOPBACK, "smtp__port": sink.port, "http__port": port}
        with programs.running(run_folder, "mail.js", file, port, **changed):
            body = {
                "key": key,
                "to": {"name": "alice", "email": "alice@example.org"},
                "substitutions": {"USERNAME": "alice", "EMAIL": "alice@example.org"},
            }
            ask(f"http://{LOOPBACK}:{port}/sendmail/welcome-email/fr", body)
        assert [message["To"] for message in sink.messages] == ["alice <alice@example.org>"]


def replaced(*path: str, value: Any) -> Callable[[Any], None]:
    """A change of one value of a JSON document."""

    def change(document: Any) -> None:
        for name in path[:-1]:
            document = document[name]
        document[path[-1]] = value

    return change


#: A hosting whose URL has a path.
HOSTING: Final = {"hostings": {"geneva": {"url": "https://example.org/geneva"}}}
HOSTINGS: Final = {"regions": {"europe": {"zones": {"ch": HOSTING}}}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replaced("dns", "mail", value={}), "to be an array"),
        (replaced("invitationTokens", value=["four"]), "less than 5 characters"),
        (replaced("invitationTokens", value=["x" * 100]), "more than 99 characters"),
        (
            replaced("net", value={"aahostings": HOSTINGS}),
            "Hosting geneva has invalid url",
        ),
    ],
)
def test_register_refuses_invalid_settings(
    change: Callable[[Any], None],
    message: str,
    programs: Programs,
    rendered: ReadPlatform,
    tmp_path: Path,
) -> None:
    file = file_of(rendered, "register", "/app/conf/register.json", tmp_path)
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))
    assert message in programs.refuses("register.js", file)


def test_core_refuses_what_was_not_replaced(
    programs: Programs, rendered: ReadPlatform, tmp_path: Path
) -> None:
    file = file_of(rendered, "core", "/app/conf/core.yml", tmp_path)
    text = re.sub(r"welcomeTemplate: .*", "welcomeTemplate: REPLACE THIS", file.read_text())
    file.write_text(text)
    with service_information() as url:
        output = programs.refuses("core.js", file, serviceInfoUrl=url, logs__file__active="false")
    assert "invalid at [services:email:welcomeTemplate]" in output


@pytest.mark.parametrize("program", ["core", "hfs"])
def test_service_information_is_fetched_once(
    program: str, programs: Programs, rendered: ReadPlatform, tmp_path: Path
) -> None:
    """Runit starts the process again; the process itself does not try again."""
    file = file_of(rendered, program, f"/app/conf/{program}.yml", tmp_path)
    with service_information(503) as url:
        output = programs.refuses(f"{program}.js", file, serviceInfoUrl=url)
    assert "Service Unavailable" in output


def test_mfa_refuses_an_unknown_mode(
    programs: Programs, rendered: ReadPlatform, tmp_path: Path
) -> None:
    file = file_of(rendered, "mfa", "/app/conf/mfa.yml", tmp_path)
    assert "sms mode carrier-pigeon" in programs.refuses("mfa.js", file, sms__mode="carrier-pigeon")


def test_every_image_of_the_release_has_a_stand_in() -> None:
    assert {name_of(image) for image in images_of_release()} <= set(KINDS)
