"""Each configuration file is loaded the way its service loads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pryv_operator.desired.file_readers import reads_hjson
from pryv_operator.rendering.parse_checks import (
    DoesNotParseError,
    check_parses,
    check_strict_json,
)
from tests.readers.node_packages import Node
from tests.readers.platforms import ALL, BUILT_IN, ReadPlatform, read_platform
from tests.readers.pod import Pod

FOLDER = "/app/conf/"
SUFFIXES = (".yml", ".yaml", ".json", ".hjson", ".js")


def configuration_files(pod: Pod) -> list[str]:
    """The files that the services of a pod load: not those of nginx and redis."""
    return [path for path in pod.files if path.startswith(FOLDER) and path.endswith(SUFFIXES)]


def loaded(node: Node, platform: ReadPlatform, folder: Path) -> dict[str, Any]:
    """`instance/component/file` → what its service loads, or the error."""
    found = []
    for pod in platform.pods:
        here = folder / pod.instance / pod.component
        pod.write(here)
        found += [(pod, path, f"{here}{path}") for path in configuration_files(pod)]
    answers = node.run("load.js", [path for _, _, path in found])
    return {
        f"{pod.instance}/{pod.component}/{path.removeprefix(FOLDER)}": answer
        for (pod, path, _), answer in zip(found, answers, strict=True)
        if not (path.endswith(".hjson") and reads_hjson(pod.image))
    }


@pytest.mark.parametrize("name", ALL)
def test_every_file_is_loaded(name: str, node: Node, tmp_path: Path) -> None:
    """A file that its reader does not parse keeps its process from starting."""
    files = loaded(node, read_platform(name), tmp_path)
    assert {path: file["error"] for path, file in files.items() if "error" in file} == {}
    assert all(isinstance(file["value"], dict | str) for file in files.values())


@pytest.mark.parametrize("name", BUILT_IN)
def test_services_find_their_settings(name: str, node: Node, tmp_path: Path) -> None:
    platform = read_platform(name)
    single = name == "builtin-singlenode"
    core, reg = ("single", "single") if single else ("co1", "reg")
    files = {path: file["value"] for path, file in loaded(node, platform, tmp_path).items()}
    url = "http://register:9000" if single else f"https://reg.{platform.domain}"
    assert files[f"{core}/core/core.yml"]["domain"] == platform.domain
    assert files[f"{core}/core/custom-extensions/customAuthStepFn.js"] == "function"
    assert files[f"{core}/hfs/hfs.yml"]["influxdb"] == {"host": "influxdb", "port": 8086}
    metadata = files[f"{core}/hfs/metadata.hjson"]
    assert metadata["metadataUpdater"] == {"host": "127.0.0.1", "port": 9000}
    assert metadata["serviceInfoUrl"] == f"{url}/service/info"
    assert files[f"{core}/mfa/mfa.yml"]["core"] == {"url": "http://core:3000"}
    assert files[f"{core}/preview/preview.yml"]["serviceInfoUrl"] == f"{url}/service/info"
    assert files[f"{core}/webhooks/webhooks.yml"]["serviceInfoUrl"] == f"{url}/service/info"
    assert files[f"{reg}/mail/mail.json"]["http"]["port"] == 9000
    assert files[f"{reg}/register/register.json"]["dns"]["domain"] == platform.domain
    assert files[f"{reg}/dns/dns.json"]["dns"]["port"] == 5353


@pytest.mark.parametrize("name", BUILT_IN)
def test_whatever_opens_accounts_knows_their_folders(name: str, node: Node, tmp_path: Path) -> None:
    """Core's storage needs both settings; hfs's second process, metadata, has no defaults.

    Without `eventFiles` it ended at its first write, so series never got a duration (Pryv's
    service-core, `components/storage/src/eventFiles/getEventFiles.js`; `metadata` does not load
    `api-server/config/paths-config.js`, as hfs does).
    """
    platform = read_platform(name)
    opening = {
        path: file["value"]
        for path, file in loaded(node, platform, tmp_path).items()
        if isinstance(file["value"], dict) and "database" in file["value"]
    }
    assert {path.split("/", 1)[1] for path in opening} == {
        "core/core.yml",
        "hfs/hfs.yml",
        "hfs/metadata.hjson",
        "preview/preview.yml",
        "webhooks/webhooks.yml",
    }
    for path, settings in opening.items():
        assert settings.get("userFiles") == {"path": "/app/data/users"}, path
        assert settings.get("eventFiles") == {
            "attachmentsDirPath": "/app/data/attachments",
            "previewsDirPath": "/app/data/previews",
        }, path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.hjson", '{"a": 1}'),
        ("a.hjson", '\ufeff{"a": 1}'),
        ("a.hjson", '{\n  # a comment\n  "a": 1\n}'),
        ("a.hjson", '{"a": 1,}'),
        ("a.hjson", "{a: 1}"),
        ("a.hjson", "{'a': 1}"),
        ("a.hjson", '{"a": 1 // comment\n}'),
        ("a.conf", '{"a": 1}'),
        ("a.conf", "a: 1"),
        ("a.json", '{"a": NaN}'),
        ("a.json", '{"a": 1e400}'),
        ("a.json", '{"a": "\t"}'),
        ("a.json", '{"a": 01}'),
        ("a.yml", "a: 1\n"),
        ("a.yml", "a: 1\na: 2\n"),
        ("a.yml", 'a: "b\n'),
        ("a.yaml", "a: [1, 2\n"),
    ],
)
def test_the_operator_takes_what_the_services_take(
    name: str, text: str, node: Node, tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_text(text)
    (answer,) = node.run("load.js", [str(file)])
    check = check_parses if name.endswith((".yml", ".yaml")) else _strict_json
    try:
        check(name, text)
    except DoesNotParseError:
        assert "error" in answer
    else:
        assert "value" in answer


def _strict_json(_: str, text: str) -> None:
    check_strict_json(text)
