"""Builds the stand-ins for Pryv's images into one docker archive, once, in the cache folder.

A root file system of Debian, the npm packages and FerretDB are built apart from each other and
cached each, so that a change of a program takes seconds. No container engine is needed.
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
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pryv_operator.pki.authority import issue_authority, issue_certificate, parse_issued
from tests.cluster.cache import cache_folder, exclusive_lock, print_with_time, remove_unused
from tests.e2e.images.docker_archive import Image, write_archive, write_layer
from tests.e2e.images.release import images_of_release, name_of

FOLDER: Final = Path(__file__).parent
#: Images that only tests use.
CLIENT: Final = "pryv-operator.test/client:1"
SMTP_SINK: Final = "pryv-operator.test/smtp-sink:1"
PUBLIC_SITE: Final = "pryv-operator.test/public-site:1"
PUBLIC_HOST: Final = "pryv.github.io"

_SUITE: Final = "bookworm"
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
_WITHOUT: Final = ("doc", "man", "locale", "info")
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

#: Image by the last part of its name → layers above Debian's (folders of `files`, or parts), and
#: what it runs. README.md tells what each imitates.
_RUNIT: Final = ("runsvdir", "/etc/service")
_MY_INIT: Final = ("/sbin/my_init",)
_NGINX: Final = ("nginx", "-g", "daemon off;")
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
    "client": (("node", "all", "client"), ("sleep", "infinity")),
    "smtp-sink": (("node", "all"), ("node", "/app/bin/smtp_sink.js")),
    "public-site": (("public-site", "certificate"), _NGINX),
}


class BuildError(RuntimeError):
    """The images cannot be built; the message holds the end of the output."""


def ensure_archive(echo: _Echo) -> Path:
    """Build what is missing and return the archive: `docker load`, or import it into nodes.

    It holds the images of the built-in release under the names that pods use, and `CLIENT`,
    `SMTP_SINK` and `PUBLIC_SITE`. Concurrent runs build once.

    Raises:
        BuildError: a program is missing, or a build failed.
    """
    cache = cache_folder() / "images"
    cache.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(cache / "lock", echo, "builds the stand-ins for Pryv's images"):
        archive = _archive()
        if not archive.is_file():
            parts = _ensure_parts(cache, echo)
            with _told(echo, "the archive of images"):
                _install(archive.parent, lambda folder: _build_archive(folder, parts))
        os.utime(archive.parent)
        remove_unused(cache, keep={archive.parent.name})
    return archive


def ensure_packages(echo: _Echo) -> Path:
    """The npm packages of the stand-ins: a folder ``node_modules``."""
    cache = cache_folder() / "images"
    cache.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(cache / "lock", echo, "builds the stand-ins for Pryv's images"):
        return _ensure_parts(cache, echo, ("node",))["node"].parent / "node_modules"


def public_authority() -> str:
    """The certificate (PEM) of the authority that `PUBLIC_SITE` is certified by.

    The stand-ins trust it as they trust public authorities; nginx trusts what its files say.
    """
    return (_archive().parent / "authority.pem").read_text()


def _archive() -> Path:
    # The certificate of the public site is valid for longer than a month.
    month = dt.datetime.now(dt.UTC).strftime("%Y-%m")
    code = [(FOLDER / name).read_text() for name in ("build.py", "docker_archive.py")]
    parts = [_digest(FOLDER / name) for name in ("go", "node")]
    digest = _digest(FOLDER / "files", *parts, *code, *images_of_release(), month)
    return cache_folder() / "images" / f"archive-{digest}" / "images.tar"


def _digest(folder: Path, *more: str) -> str:
    digest = hashlib.sha256(repr((platform.machine(), *more)).encode())
    for file in sorted(folder.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            name = file.relative_to(folder).as_posix()
            digest.update(repr((name, file.stat().st_mode, file.read_bytes())).encode())
    return digest.hexdigest()[:16]


def _ensure_parts(
    cache: Path, echo: _Echo, names: Sequence[str] = ("debian", "node", "ferretdb")
) -> Mapping[str, Path]:
    """The layers that take long: each in a folder named after what it is made from."""
    parts: dict[str, tuple[str, Callable[[Path], None], str]] = {
        "debian": (_digest(FOLDER / "none", _SUITE, *_PACKAGES, _SETUP), _debian, "Debian"),
        "node": (_digest(FOLDER / "node"), _npm_packages, "the npm packages"),
        "ferretdb": (_digest(FOLDER / "go"), _ferretdb, "FerretDB"),
    }

    def ensure(name: str) -> Path:
        digest, build, what = parts[name]
        folder = cache / f"{name}-{digest}"
        if not folder.is_dir():
            with _told(echo, f"{what} (a few minutes, then cached)"):
                _install(folder, build)
        os.utime(folder)
        return folder / "layer.tar"

    with ThreadPoolExecutor() as pool:
        return dict(zip(names, pool.map(ensure, names), strict=True))


def _debian(folder: Path) -> None:
    without = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _WITHOUT]
    setup = f"""--customize-hook=chroot "$1" sh -e -c '{_SETUP}'"""
    options = ["--mode=root", "--variant=minbase", f"--include={','.join(_PACKAGES)}", *without]
    sources = [str(file) for file in _debian_sources()]
    _run(["mmdebstrap", *options, setup, _SUITE, str(folder / "layer.tar"), *sources])


def _debian_sources() -> Iterator[Path]:
    """The machine's own sources of this suite; without any, mmdebstrap takes its defaults."""
    for file in Path("/etc/apt/sources.list.d").glob("*.sources"):
        if f"{_SUITE}-security" in file.read_text():
            yield file


def _npm_packages(folder: Path) -> None:
    for file in (FOLDER / "node").iterdir():
        shutil.copy(file, folder)
    _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder=folder)
    modules = folder / "node_modules"
    write_layer(folder / "layer.tar", {"app/bin/node_modules": modules}, {})


def _ferretdb(folder: Path) -> None:
    go = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}
    program = folder / "ferretdb"
    build = ["go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", str(program)]
    _run([*build, "."], folder=FOLDER / "go", environment=go)
    write_layer(folder / "layer.tar", {"app/bin/mongodb/bin/ferretdb": program}, {})


def _build_archive(folder: Path, parts: Mapping[str, Path]) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        layers = dict(parts)
        for source in sorted((FOLDER / "files").iterdir()):
            layers[source.name] = Path(temporary) / f"{source.name}.tar"
            write_layer(layers[source.name], {"": source}, {})
        authority = _certify_public_site(Path(temporary), layers)
        (folder / "authority.pem").write_text(authority)
        names = [*images_of_release(), CLIENT, SMTP_SINK, PUBLIC_SITE]
        write_archive(folder / "images.tar", {name: _image(name, layers) for name in names})


def _image(image: str, layers: Mapping[str, Path]) -> Image:
    above, command = KINDS[name_of(image)]
    return Image(
        layers=[layers[name] for name in ("debian", "trusted", *above)],
        command=command,
        environment=["INFLUXDB_REPORTING_DISABLED=true"] if command == ("influxd",) else [],
        # Source: the Dockerfile of nginx, https://github.com/nginx/docker-nginx
        stop_signal="SIGQUIT" if command == _NGINX else "SIGTERM",
    )


def _certify_public_site(folder: Path, layers: dict[str, Path]) -> str:
    """Add the layers with the site's certificate and with its authority; returns the latter."""
    now = dt.datetime.now(dt.UTC)
    made = issue_authority("public", PUBLIC_HOST.partition(".")[2], now)
    authority = parse_issued("public-ca-1", made.chain, made.key)
    assert authority is not None
    certificate = issue_certificate(authority, [PUBLIC_HOST], now)
    files = {"authority": made.chain, "certificate": certificate.chain, "key": certificate.key}
    for name, text in files.items():
        (folder / f"{name}.pem").write_text(text)
    served = {f"etc/nginx/{name}.pem": folder / f"{name}.pem" for name in ("certificate", "key")}
    layers["certificate"] = folder / "certificate.tar"
    write_layer(layers["certificate"], served, {})
    # OpenSSL finds an authority by this name, in Node.js of Debian and in curl.
    hashed = _run(["openssl", "x509", "-hash", "-noout", "-in", str(folder / "authority.pem")])
    layers["trusted"] = folder / "trusted.tar"
    link = {f"etc/ssl/certs/{hashed.strip()}.0": f"/{_TRUSTED}"}
    write_layer(layers["trusted"], {_TRUSTED: folder / "authority.pem"}, link)
    return made.chain


def _install(folder: Path, build: Callable[[Path], None]) -> None:
    """Build in a temporary folder, and rename it once everything is there."""
    with tempfile.TemporaryDirectory(prefix=".building-", dir=folder.parent) as temporary:
        content = Path(temporary) / "content"
        content.mkdir()
        build(content)
        content.rename(folder)


@contextmanager
def _told(echo: _Echo, what: str) -> Iterator[None]:
    echo(f"building {what}")
    started = time.monotonic()
    yield
    echo(f"built {what.partition(' (')[0]} in {time.monotonic() - started:.0f} s")


def _run(
    command: Sequence[str],
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a program and return what it prints."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
        )
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
