"""The commands that a reason's check names are accepted by kubectl, and find what they ask for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from pryv_operator.api.reasons import Reason
from tests.api.platforms import PlatformUser

_PLACEHOLDER: Final = re.compile(r"\b(NAME|POD|KIND|NODE|HOST|ROLE)\b")
#: Needs pods of a kubelet, a file of the user, or cert-manager.
_NOT_HERE: Final = re.compile(
    r"kubectl (logs|run) |tar |gzip |sha256sum |file |openssl |docker |.*\bcertificate"
)


def commands() -> list[str]:
    """All commands in checks that can be run as they are."""
    found = {
        command
        for reason in Reason
        for command in re.findall("`([^`]+ [^`]+)`", reason.check)
        if not _PLACEHOLDER.search(command) and not _NOT_HERE.match(command)
    }
    return sorted(found)


def test_commands_of_checks_are_accepted(shared_platform: PlatformUser, tmp_path: Path) -> None:
    user = shared_platform
    user.apply_and_wait()
    (tmp_path / "platform.yaml").write_text(
        "apiVersion: pryv.io/v1alpha1\nkind: PryvPlatform\n"
        f"metadata: {{name: acme, namespace: {user.namespace}}}\n"
        "spec: {domain: pryv.acme.test}\n"
    )
    cluster = user.control_plane
    programs = (cluster.binaries.kubectl.parent, Path(sys.executable).parent)
    environment = os.environ | {
        "KUBECONFIG": str(cluster.kubeconfig),
        "PATH": os.pathsep.join((*map(str, programs), os.environ["PATH"])),
    }
    tried = commands()
    assert len(tried) > 20
    failed = []
    for command in tried:
        done = subprocess.run(
            ["bash", "-c", command.replace("-n pryv", f"-n {user.namespace}")],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            failed.append(f"{command}: {done.stderr.strip()}")
    assert not failed, "\n".join(failed)
