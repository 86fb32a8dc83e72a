"""Runs the health script of docs/gitops.md as Argo CD does.

Argo CD runs such scripts with gopher-lua, a Lua 5.1, without libraries that reach outside.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import lupa.lua51 as lua

SCRIPT: Final = Path(__file__).parents[1] / "manifests/argocd/health.lua"


def health(resource: dict[str, Any]) -> tuple[str, str]:
    """Status and message that the script gives a resource."""
    runtime = lua.LuaRuntime(register_eval=False, register_builtins=False)
    runtime.globals().obj = runtime.table_from(resource, recursive=True)
    for library in ("io", "os", "package", "require", "debug"):
        runtime.globals()[library] = None
    result = runtime.execute(SCRIPT.read_text(encoding="utf-8"))
    return result.status, result.message
