"""Loads the scripts of .ci/release, which are in no package."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Final

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / ".ci" / "release"


def script(name: str) -> ModuleType:
    """The module of a script."""
    spec = importlib.util.spec_from_file_location(f"release_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
