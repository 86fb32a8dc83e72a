"""The image that pods of the tests run: one program, `tests/cluster/go/client`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.cluster.binaries import Module, ensure_programs
from tests.cluster.kind.archive import Image, write_archive, write_layer

if TYPE_CHECKING:
    from collections.abc import Callable

CLIENT_IMAGE: Final = "pryv.test/client:1"
_MODULE: Final = Module("client", ("pryv.io/operator/tests/client",), "-s -w", cold_seconds=20)


def write_client_archive(folder: Path, echo: Callable[[str], None]) -> Path:
    """Write the docker archive with the image into a folder; return its path."""
    program = ensure_programs("client-program", (_MODULE,), echo) / "client"
    layer = write_layer(
        folder / "client-layer.tar",
        {"usr/local/bin/client": program},
        folders={"tmp": 0o1777, "etc": 0o755},
    )
    archive = folder / "client.tar"
    entrypoint = ["/usr/local/bin/client"]
    write_archive(archive, [Image([CLIENT_IMAGE], [layer], entrypoint)])
    return archive
