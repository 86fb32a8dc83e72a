"""Builds the stand-ins for Pryv's images into one docker archive, once, in the cache folder.

A root file system of Debian, the npm packages and FerretDB are cached each, so that a change of a
program takes seconds. No container engine is needed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pryv_operator.pki.authority import issue_authority, issue_certificate, parse_issued
from tests.cluster.binaries import GO_FOLDER, BuildError, Module, ensure_programs
from tests.cluster.cache import cache_folder, exclusive_lock, print_with_time, remove_unused
from tests.cluster.kind import archive as docker_archive
from tests.cluster.kind import debian
from tests.cluster.kind.archive import Image, Layer, write_archive, write_layer
from tests.e2e.images.release import images_of_release, name_of

FOLDER: Final = Path(__file__).parent
#: Images that only tests use.
CLIENT: Final = "pryv-operator.test/client:1"
SMTP_SINK: Final = "pryv-operator.test/smtp-sink:1"
PUBLIC_SITE: Final = "pryv-operator.test/public-site:1"
PUBLIC_HOST: Final = "pryv.github.io"
#: Those of releases before the built-in one, by the last part of their names.
OLDER: Final = {
    name: f"pryv-operator.test/{name}:1"
    for name in (
        *("core-1.6", "core-1.7", "hfs-1.6", "preview-1.6", "webhooks-1.6", "mongodb-1.6"),
        *("service-mfa", "router", "audit", "app-web-admin"),
    )
}

_FERRETDB: Final = Module(
    "ferretdb", ("pryv.io/operator/tests/ferretdb",), "-s -w", cold_seconds=240
)
_PACKAGES: Final = (
    "bind9-dnsutils",
    "ca-certificates",
    "curl",
    "influxdb",
    "influxdb-client",
    "nats-server",
    "nginx-light",
    "nodejs",
    "openssl",
    "procps",
    "redis-server",
    "runit",
    "unbound",
)
#: Users as docker/base/install.sh, docker/redis/install.sh and docker/mongodb/install.sh of
#: dev-release-packaging 1.9.0 create them (redis: by its package), and that of the image nginx.
_SETUP: Final = """
groupadd --gid 9999 app
useradd --uid 9999 --gid 9999 --create-home app
useradd --system --user-group nginx
useradd --system --user-group mongodb
mkdir -p /app/conf /app/log /app/data /etc/service
ln -s /usr/bin/redis-server /usr/local/bin/redis-server
ln -s /usr/sbin/nats-server /usr/local/bin/nats-server
"""
_TRUSTED: Final = "etc/ssl/certs/pryv-operator-tests.pem"
_Echo = Callable[[str], None]

#: Those whose command, in compose files, has only arguments.
_ENTRY_POINTS: Final = {"router": ("node", "/app/bin/router.js")}
#: Variables of images: those of core before 1.9 keep accounts in the database.
_ENVIRONMENT: Final = {"core-1.7": ["ACCOUNTS=database"]}
#: Image by the last part of its name → layers above Debian's (folders of `files`, or parts), and
#: what it runs. README.md tells what each imitates.
_RUNIT: Final = ("runsvdir", "/etc/service")
_MY_INIT: Final = ("/sbin/my_init",)
_NGINX: Final = ("nginx", "-g", "daemon off;")
_AUDIT: Final = ("node", "/app/bin/audit.js", "--config", "/app/conf/audit.json")
KINDS: Final[Mapping[str, tuple[Sequence[str], Sequence[str]]]] = {
    "nginx": (("nginx",), _NGINX),
    "app-web-auth3": (("app-web-auth3",), _NGINX),
    "influxdb": ((), ("influxd",)),
    "redis": (("redis",), _RUNIT),
    "mongodb": (("node", "all", "mongodb", "ferretdb"), _RUNIT),
    **{
        name: (("node", "all", name), _RUNIT)
        for name in ("core", "hfs", "preview", "webhooks", "mail")
    },
    **{name: (("node", "all", "phusion", name), _MY_INIT) for name in ("mfa", "register", "dns")},
    **{
        name: (("node", "all", name), _RUNIT)
        for name in ("core-1.6", "hfs-1.6", "preview-1.6", "webhooks-1.6")
    },
    "core-1.7": (("node", "all", "core"), _RUNIT),
    "mongodb-1.6": (("node", "all", "mongodb", "ferretdb", "mongodb-1.6"), _RUNIT),
    "service-mfa": (("node", "all", "phusion", "service-mfa"), _MY_INIT),
    "router": (("node", "all"), ()),
    "audit": (("node", "all"), _AUDIT),
    "app-web-admin": (("app-web-auth3",), _NGINX),
    "client": (("node", "all", "client"), ("sleep", "infinity")),
    "smtp-sink": (("node", "all"), ("node", "/app/bin/smtp_sink.js")),
    "public-site": (("public-site", "certificate"), _NGINX),
}


def ensure_archive(echo: _Echo) -> Path:
    """Build what is missing and return the archive: `docker load`, or import it into nodes.

    It holds the images of the built-in release under the names that pods use, and `CLIENT`,
    `SMTP_SINK` and `PUBLIC_SITE`. Concurrent runs build once.

    Raises:
        BuildError: a program is missing, or a build failed.
    """
    archive = _archive()
    if not archive.is_file():
        ferretdb = ensure_programs("ferretdb-program", (_FERRETDB,), echo) / "ferretdb"
        with _locked(echo) as cache:
            packages = _ensure_npm_packages(cache, echo)
            system = _ensure_debian(cache, echo)
            if not archive.is_file():
                echo("writing the archive of stand-ins for Pryv's images (about 20 s)")
                parts = {"debian": system, "node": packages / "layer.tar", "ferretdb": ferretdb}
                _install(archive.parent, lambda folder: _build_archive(folder, parts))
            remove_unused(cache, keep={part.parent.name for part in (archive, *parts.values())})
    os.utime(archive.parent)
    return archive


def ensure_packages(echo: _Echo) -> Path:
    """The npm packages of the stand-ins: a folder ``node_modules``."""
    with _locked(echo) as cache:
        return _ensure_npm_packages(cache, echo) / "node_modules"


def public_authority() -> str:
    """The certificate (PEM) of the authority that `PUBLIC_SITE` is certified by.

    The stand-ins trust it as they trust public authorities; nginx trusts what its files say.
    """
    return (_archive().parent / "authority.pem").read_text()


def _archive() -> Path:
    # The certificate of the public site is valid for longer than a month.
    month = dt.datetime.now(dt.UTC).strftime("%Y-%m")
    code = [Path(file).read_text() for file in (__file__, docker_archive.__file__)]
    go = GO_FOLDER / _FERRETDB.folder
    digest = _digest([FOLDER / "files", FOLDER / "node", go], *code, *images_of_release(), month)
    return cache_folder() / "images" / f"archive-{digest}" / "images.tar"


def _digest(folders: Sequence[Path], *more: str) -> str:
    digest = hashlib.sha256(repr((platform.machine(), *more)).encode())
    for folder in folders:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = file.relative_to(folder).as_posix()
            digest.update(repr((name, file.stat().st_mode, file.read_bytes())).encode())
    return digest.hexdigest()[:16]


@contextmanager
def _locked(echo: _Echo) -> Iterator[Path]:
    """The folder of the cache, for one run at a time."""
    cache = cache_folder() / "images"
    cache.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(cache / "lock", echo, "builds the stand-ins for Pryv's images"):
        yield cache


def _ensure_debian(cache: Path, echo: _Echo) -> Path:
    """The tar file of a root file system."""
    folder = cache / f"debian-{_digest([], debian.SUITE, *_PACKAGES, _SETUP)}"

    def build(target: Path) -> None:
        what = f"unpacking Debian {debian.SUITE} for the stand-ins (60 s)"
        debian.unpack(target / "layer.tar", _PACKAGES, what, echo, setup=_SETUP)

    if not folder.is_dir():
        _install(folder, build)
    os.utime(folder)
    return folder / "layer.tar"


def _ensure_npm_packages(cache: Path, echo: _Echo) -> Path:
    """A folder with ``node_modules``, and ``layer.tar`` with these at the programs' place."""
    folder = cache / f"node-{_digest([FOLDER / 'node'])}"

    def build(target: Path) -> None:
        for file in (FOLDER / "node").iterdir():
            shutil.copy(file, target)
        echo("installing the npm packages of the stand-ins (about a minute)")
        _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder=target)
        write_layer(target / "layer.tar", _files(target / "node_modules", "app/bin/node_modules"))

    if not folder.is_dir():
        _install(folder, build)
    os.utime(folder)
    return folder


def _build_archive(folder: Path, parts: Mapping[str, Path]) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        work = Path(temporary)
        layers = {name: Layer.of(parts[name]) for name in ("debian", "node")}
        ferretdb = {"app/bin/mongodb/bin/ferretdb": parts["ferretdb"]}
        layers["ferretdb"] = write_layer(work / "ferretdb.tar", ferretdb)
        for source in sorted((FOLDER / "files").iterdir()):
            layers[source.name] = write_layer(work / f"{source.name}.tar", _files(source))
        layers |= _public_site(work)
        shutil.copy(work / "authority.pem", folder)
        names = [*images_of_release(), *OLDER.values(), CLIENT, SMTP_SINK, PUBLIC_SITE]
        write_archive(folder / "images.tar", [_image(name, layers) for name in names])


def _files(folder: Path, below: str = "") -> dict[str, Path]:
    """The files of a folder, by their paths in an image."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {(Path(below) / path.relative_to(folder)).as_posix(): path for path in files}


def _image(image: str, layers: Mapping[str, Layer]) -> Image:
    above, command = KINDS[name_of(image)]
    settings: dict[str, Any] = {"Cmd": list(command)}
    if command == _NGINX:
        # Source: the Dockerfile of nginx, https://github.com/nginx/docker-nginx
        settings["StopSignal"] = "SIGQUIT"
    return Image(
        tags=[image],
        layers=[layers[name] for name in ("debian", "trusted", *above)],
        entrypoint=_ENTRY_POINTS.get(name_of(image), ()),
        environment=[
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "INFLUXDB_REPORTING_DISABLED=true",
            *_ENVIRONMENT.get(name_of(image), ()),
        ],
        settings=settings,
    )


def _public_site(folder: Path) -> dict[str, Layer]:
    """The layers with the site's certificate, and with its authority."""
    now = dt.datetime.now(dt.UTC)
    made = issue_authority("public", PUBLIC_HOST.partition(".")[2], now)
    authority = parse_issued("public-ca-1", made.chain, made.key)
    assert authority is not None
    certificate = issue_certificate(authority, [PUBLIC_HOST], now)
    files = {"authority": made.chain, "certificate": certificate.chain, "key": certificate.key}
    for name, text in files.items():
        (folder / f"{name}.pem").write_text(text)
    served = {f"etc/nginx/{name}.pem": folder / f"{name}.pem" for name in ("certificate", "key")}
    # OpenSSL finds an authority by this name, in Node.js of Debian and in curl.
    hashed = _run(["openssl", "x509", "-hash", "-noout", "-in", str(folder / "authority.pem")])
    link = {f"etc/ssl/certs/{hashed.strip()}.0": f"/{_TRUSTED}"}
    trusted = {_TRUSTED: folder / "authority.pem"}
    return {
        "certificate": write_layer(folder / "certificate.tar", served),
        "trusted": write_layer(folder / "trusted.tar", trusted, links=link),
    }


def _install(folder: Path, build: Callable[[Path], None]) -> None:
    """Build in a temporary folder, and rename it once everything is there."""
    with tempfile.TemporaryDirectory(prefix=".building-", dir=folder.parent) as temporary:
        content = Path(temporary) / "content"
        content.mkdir()
        build(content)
        content.rename(folder)


def _run(command: Sequence[str], folder: Path | None = None) -> str:
    """Run a program and return what it prints."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BuildError(f"{command[0]} is not installed") from None
    if done.returncode != 0:
        output = (done.stdout + done.stderr)[-4000:]
        raise BuildError(f"`{' '.join(command)}` failed:\n{output}")
    return done.stdout


if __name__ == "__main__":
    try:
        print(ensure_archive(print_with_time))
    except BuildError as failed:
        sys.exit(str(failed))
