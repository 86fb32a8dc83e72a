"""The operator's image: what is in it and what is not, and that it runs as the chart's pod does."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from tests.cluster.kind.cluster import KindCluster, OnMachine, Place
from tests.cluster.waiting import wait_until
from tests.e2e.images.archive_reader import Entry, Image, read_image
from tests.e2e.images.operator_image import ROOT, ensure_archive, image_name, missing_engine

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES: Final = 220_000_000
OURS: Final = PurePosixPath("/opt/pryv-operator")

_COMPILER = re.compile(
    r"(.*-)?(cc|gcc|g\+\+|c\+\+|cpp|cc1|ld|as|tcc|clang|clang\+\+|make|cmake|go|rustc|cargo)(-[\d.]+)?"
)
_PACKAGE_OR_TEST = re.compile(
    r".*\.(deb|rpm|apk|whl|egg)|tests?|test_.*\.py|.*_test\.py|conftest\.py"
)
_VERSION_CONTROL = re.compile(r"\.(git|hg|svn|bzr)(ignore|attributes|modules)?|\.github|\.gitlab.*")
_LOGIN_FILE = re.compile(
    r"\.(netrc|pypirc|npmrc|pgpass|git-credentials|dockercfg|env)|id_(rsa|dsa|ecdsa|ed25519)"
    r"|kubeconfig|pip\.conf|.*\.(key|p12|pfx|jks|kdbx)"
)
_LOGIN_FOLDERS: Final = frozenset(
    {".ssh", ".kube", ".docker", ".aws", ".gnupg", ".config", "secrets"}
)
#: What credentials begin with, and what follows: a private key with its content, tokens with the
#: prefixes of those who issue them, a JSON web token.
_CREDENTIALS: Final = {
    b"PRIVATE KEY-----": rb"(\\n)?\s+[A-Za-z0-9+/=\s]{64}",
    b"AKIA": rb"[0-9A-Z]{16}\b",
    b"ghp_": rb"[A-Za-z0-9]{36}",
    b"glpat-": rb"[\w-]{20}",
    b"pypi-AgE": rb"[\w-]{50}",
    b"AIza": rb"[\w-]{35}",
    b"dckr_pat_": rb"[\w-]{20}",
    b"eyJ": rb"[\w-]{16,}\.eyJ[\w-]{16,}\.[\w-]{16,}",
}


#: The home folder of the image's user root.
_HOME: Final = "/root"
_CACHES: Final = (
    *("/var/cache/apt", "/var/cache/apk", "/var/cache/dnf", "/var/cache/yum", "/var/lib/apt/lists"),
    *("/var/tmp", "/tmp", _HOME, "/home"),
)
#: Of Debian's base-files.
_SHELL_FILES: Final = (f"{_HOME}/.bashrc", f"{_HOME}/.profile")


def _is_ours(entry: Entry) -> bool:
    return entry.path.is_relative_to(OURS)


def _is_writable(entry: Entry) -> bool:
    return _is_ours(entry) and (entry.uid != 0 or bool(entry.mode & 0o022))


def _changes_the_user(entry: Entry) -> bool:
    return _is_ours(entry) and bool(entry.mode & 0o6000)


def _is_open_to_all(entry: Entry) -> bool:
    is_for_temporary_files = stat.S_ISDIR(entry.mode) and entry.mode & stat.S_ISVTX
    return bool(entry.mode & 0o002) and not is_for_temporary_files


def _is_compiler(entry: Entry) -> bool:
    return entry.is_executable and bool(_COMPILER.fullmatch(entry.path.name))


def _has_development_packages(entry: Entry) -> bool:
    if str(entry.path) != "/var/lib/dpkg/status":
        return False
    return bool(re.search(rb"^Section: (lib)?devel$", entry.content or b"", re.MULTILINE))


def _is_cached(entry: Entry) -> bool:
    in_cache = any(entry.path.is_relative_to(folder) for folder in _CACHES)
    is_shell_file = str(entry.path) in _SHELL_FILES
    return entry.size > 0 and not is_shell_file and (in_cache or ".cache" in entry.path.parts)


def _is_package_or_test(entry: Entry) -> bool:
    parts = entry.path.relative_to(OURS).parts if _is_ours(entry) else ()
    return any(_PACKAGE_OR_TEST.fullmatch(part) for part in parts)


def _is_version_control(entry: Entry) -> bool:
    return any(_VERSION_CONTROL.fullmatch(part) for part in entry.path.parts)


def _is_login(entry: Entry) -> bool:
    in_folder = not _LOGIN_FOLDERS.isdisjoint(entry.path.parts)
    return entry.is_file and (in_folder or bool(_LOGIN_FILE.fullmatch(entry.path.name)))


def _has_credential(entry: Entry) -> bool:
    content = entry.content or b""
    return any(
        start in content and re.search(re.escape(start) + rest, content)
        for start, rest in _CREDENTIALS.items()
    )


def _has_password(entry: Entry) -> bool:
    if str(entry.path) != "/etc/shadow":
        return False
    return bool(re.search(rb"^[^:]+:(?![*!])", entry.content or b"", re.MULTILINE))


def _planted(
    path: str, content: bytes | None = b"content", *, mode: int = 0o644, uid: int = 0
) -> Entry:
    return Entry(0, PurePosixPath(path), mode, uid, len(content or b""), content)


_KEY = b"MIIEvQIBADANBgkqhkiG9w0BAQEFAASC" * 3
_SITE = f"{OURS}/lib/python3.13/site-packages"
#: What no layer may hold, each with an example of it.
UNWANTED: Final[list[tuple[Callable[[Entry], bool], Entry]]] = [
    (_is_writable, _planted(f"{OURS}/bin/pryv-operator", mode=0o775)),
    (_is_writable, _planted(f"{OURS}/bin", None, mode=stat.S_IFDIR | 0o755, uid=65532)),
    (_changes_the_user, _planted(f"{OURS}/bin/pryv-operator", mode=0o4755)),
    (_is_open_to_all, _planted("/etc/passwd", mode=0o666)),
    (_is_open_to_all, _planted("/opt", None, mode=stat.S_IFDIR | 0o777)),
    (_is_compiler, _planted("/usr/bin/x86_64-linux-gnu-gcc-14", mode=0o755)),
    (
        _has_development_packages,
        _planted("/var/lib/dpkg/status", b"Package: gcc-14\nSection: devel\n"),
    ),
    (_is_cached, _planted(f"{_HOME}/.cache/pip/http/a")),
    (_is_cached, _planted("/var/cache/apt/archives/a.deb")),
    (_is_cached, _planted("/var/lib/apt/lists/a_Packages")),
    (_is_package_or_test, _planted(f"{OURS}/pryv_operator-0.1.0-py3-none-any.whl")),
    (_is_package_or_test, _planted(f"{_SITE}/hjson/tests/__init__.py")),
    (_is_package_or_test, _planted(f"{_SITE}/kubernetes/config/kube_config_test.py")),
    (_is_version_control, _planted("/src/.git/config")),
    (_is_login, _planted("/opt/build/pip.conf")),
    (_is_login, _planted("/app/.ssh/known_hosts")),
    (_has_credential, _planted("/a", b"x\n-----BEGIN PRIVATE KEY-----\n" + _KEY)),
    (_has_credential, _planted("/a", b'"-----BEGIN RSA PRIVATE KEY-----\\n' + b"\n" + _KEY)),
    (_has_credential, _planted("/a", b"token = ghp_" + b"a1B2" * 9)),
    (
        _has_credential,
        _planted("/a", b"eyJhbGciOiJSUzI1NiJ9abc.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJlc2lnbmF0"),
    ),
    (_has_password, _planted("/etc/shadow", b"root:$y$j9T$salt$hash:20000:0:99999:7:::\n")),
    (_has_password, _planted("/etc/shadow", b"daemon:*:20000:::\nroot::20000:0:99999:7:::\n")),
]


@pytest.fixture(scope="module")
def docker(request: pytest.FixtureRequest) -> Docker:
    """The machine's container engine, or else that of the cluster."""
    machine = OnMachine()
    if not missing_engine(machine):
        return Docker(machine)
    cluster: KindCluster = request.getfixturevalue("cluster")
    if reason := missing_engine(cluster.place):
        pytest.skip(reason)
    return Docker(cluster.place)


@pytest.fixture(scope="module")
def archive(docker: Docker, cluster_echo: Callable[[str], None]) -> Path:
    return ensure_archive(cluster_echo, docker.place)


@pytest.fixture(scope="module")
def image(archive: Path) -> Image:
    return read_image(archive)


@pytest.fixture(scope="module")
def loaded(docker: Docker, archive: Path) -> Iterator[Docker]:
    """An engine that has the image."""
    with archive.open("rb") as content:
        docker.run("load", stdin=content)
    yield docker
    docker.run("image", "rm", image_name(), check=False)


class TestContent:
    def test_the_size_is_bounded(self, image: Image) -> None:
        assert 0 < image.size < MAX_BYTES

    @pytest.mark.parametrize(
        "unwanted", dict.fromkeys(check for check, _ in UNWANTED), ids=lambda check: check.__name__
    )
    def test_no_layer_holds_what_is_unwanted(
        self, image: Image, unwanted: Callable[[Entry], bool]
    ) -> None:
        assert [str(entry) for entry in image.entries if unwanted(entry)] == []

    @pytest.mark.parametrize(("unwanted", "planted"), UNWANTED)
    def test_what_is_unwanted_would_be_found(
        self, unwanted: Callable[[Entry], bool], planted: Entry
    ) -> None:
        assert unwanted(planted)

    def test_what_is_ours_is_the_last_layer(self, image: Image) -> None:
        layers = {entry.layer for entry in image.entries if _is_ours(entry)}
        assert layers == {image.layers - 1}
        assert any(str(entry.path) == "/var/lib/dpkg/status" for entry in image.entries)

    def test_every_module_has_its_byte_code(self, image: Image) -> None:
        """The root file system is read-only: what is not compiled is compiled at each start."""
        files = {entry.path for entry in image.entries if _is_ours(entry)}
        sources = [path for path in files if path.suffix == ".py"]
        assert len(sources) > 500
        compiled = {
            (path.parent.parent, path.name.partition(".")[0])
            for path in files
            if path.suffix == ".pyc"
        }
        missing = [str(path) for path in sources if (path.parent, path.stem) not in compiled]
        assert missing == []


def test_the_configuration_is_the_charts(image: Image) -> None:
    config = image.config["config"]
    chart = yaml.safe_load((ROOT / "charts/pryv-operator/Chart.yaml").read_text())
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["pryv-operator"]
    assert config["Cmd"] == ["run", "--in-cluster"]
    labels = {
        key.removeprefix("org.opencontainers.image."): value
        for key, value in config["Labels"].items()
    }
    assert labels["title"] == "pryv-operator"
    assert labels["version"] == chart["appVersion"]
    assert labels["licenses"] == "Apache-2.0"
    assert labels["source"] in chart["sources"]
    assert {"description", "documentation", "revision"} <= labels.keys()
    names = {line.partition("=")[0] for line in config["Env"]}
    assert not {name for name in names if name.startswith("PIP_")}
    assert "PIP_" not in str(image.config["history"])


#: As the chart's pod: uid 65532 with no entry in /etc/passwd, nothing writable but /tmp.
_AS_POD: Final = (
    *("--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
    *("--user=65532:65532", "--tmpfs=/tmp", "--memory=768m"),
)


@dataclass(frozen=True)
class Docker:
    """A container engine."""

    place: Place

    def run(self, *command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run docker, as ``subprocess.run``."""
        defaults = {"capture_output": True, "text": True, "check": True, "timeout": 120}
        line = self.place.enter("docker", *command)
        return subprocess.run(line, **(defaults | options))  # noqa: PLW1510

    def program(self, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a program of the image in a container as the chart's pod has it."""
        entry = f"--entrypoint={command[0]}"
        options = ("run", "--rm", "--interactive", *_AS_POD, entry, image_name())
        return self.run(*options, *command[1:], input=stdin, check=False)


class TestRun:
    def test_the_user_has_no_name_and_no_rights(self, loaded: Docker) -> None:
        program = """
import os, pathlib, pwd
status = pathlib.Path("/proc/self/status").read_text()
print(os.getuid(), os.getgid(), *(line for line in status.splitlines() if "CapEff" in line))
try:
    pwd.getpwuid(os.getuid())
except KeyError:
    print("no name")
try:
    pathlib.Path("/opt/pryv-operator/new").write_text("")
except OSError as error:
    print(error.strerror)
"""
        answer = loaded.program("python3", "-c", program)
        expected = ["65532", "65532", "CapEff:", "0" * 16, "no", "name"]
        assert answer.stdout.split()[:6] == expected, answer.stderr
        assert answer.stdout.splitlines()[2] in {"Permission denied", "Read-only file system"}

    @pytest.mark.parametrize("program", ["pryv-operator", "kubectl-pryv"])
    def test_the_commands_print_their_help(self, loaded: Docker, program: str) -> None:
        answer = loaded.program(program, "--help")
        assert answer.returncode == 0, answer.stderr
        assert f"Usage: {program}" in answer.stdout

    def test_every_module_can_be_imported(self, loaded: Docker) -> None:
        program = """
import importlib, pkgutil
import pryv_operator
modules = list(pkgutil.walk_packages(pryv_operator.__path__, "pryv_operator."))
for module in modules:
    importlib.import_module(module.name)
print(len(modules))
"""
        answer = loaded.program("python3", "-c", program)
        assert answer.returncode == 0, answer.stderr
        assert int(answer.stdout) > 200

    def test_it_renders_what_the_sources_render(self, loaded: Docker) -> None:
        platform = (ROOT / "manifests/samples/platform.yaml").read_text()
        command = ("render", "--objects", "--file", "-")
        answer = loaded.program("kubectl-pryv", *command, stdin=platform)
        assert answer.returncode == 0, answer.stderr
        here = subprocess.run(
            [
                sys.executable,
                "-c",
                "from pryv_operator.cli.plugin import plugin; plugin()",
                *command,
            ],
            input=platform,
            capture_output=True,
            text=True,
            check=True,
        )
        assert len(here.stdout) > 100_000
        assert answer.stdout == here.stdout

    def test_without_a_cluster_it_says_what_is_missing(self, loaded: Docker) -> None:
        answer = loaded.program("pryv-operator", "run", "--in-cluster")
        assert answer.returncode == 2
        words = " ".join(answer.stderr.replace("│", " ").split())
        assert "credentials of the cluster cannot be read" in words
        assert "Traceback" not in words

    def test_it_is_alive_without_its_api_server_and_stops_at_a_signal(self, loaded: Docker) -> None:
        program = """
import os, pathlib, certifi
account = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")
account.joinpath("namespace").write_text("pryv")
account.joinpath("token").write_text("token")
account.joinpath("ca.crt").write_text(pathlib.Path(certifi.where()).read_text())
os.execvp("pryv-operator", ["pryv-operator", "run", "--in-cluster"])
"""
        name = f"pryv-operator-{uuid.uuid4().hex[:8]}"
        options = (
            *("--detach", f"--name={name}", *_AS_POD, "--entrypoint=python3"),
            "--tmpfs=/var/run/secrets/kubernetes.io/serviceaccount",
            *("--env=KUBERNETES_SERVICE_HOST=127.0.0.1", "--env=KUBERNETES_SERVICE_PORT=1"),
        )
        loaded.run("run", *options, image_name(), "-c", program)
        try:
            wait_until(
                lambda: _get(loaded, name, "/healthz").startswith("200"), "/healthz", seconds=60
            )
            assert _get(loaded, name, "/readyz").startswith("503 not synced yet")
            loaded.run("stop", "-t", "9", name)
            code = loaded.run("inspect", "--format={{.State.ExitCode}}", name).stdout.strip()
            logs = loaded.run("logs", name)
            assert code == "0"
            assert "NoConnection" in logs.stdout + logs.stderr
            assert "Traceback" not in logs.stdout + logs.stderr
        finally:
            loaded.run("rm", "--force", name, check=False)


def _get(docker: Docker, container: str, path: str) -> str:
    """Status and body of a GET inside of the container; empty without an answer."""
    program = f"""
import http.client
connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=5)
connection.request("GET", "{path}")
answer = connection.getresponse()
print(answer.status, answer.read().decode())
"""
    return docker.run("exec", container, "python3", "-c", program, check=False).stdout
