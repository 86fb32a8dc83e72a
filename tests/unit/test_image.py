"""What the Dockerfile copies, builds from and removes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import yaml

import pryv_operator

ROOT = Path(__file__).parents[2]


def test_the_build_context_contains_the_copied_files() -> None:
    included = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copies = re.findall(r"^COPY (?!--from)(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    copied = {source for line in copies for source in line.split()[:-1]}
    assert copied == included
    assert all((ROOT / source).exists() for source in copied)


def test_the_base_images_are_one_pinned_by_digest() -> None:
    text = (ROOT / "Dockerfile").read_text()
    (base,) = re.findall(r"^ARG BASE=(.+)$", text, re.MULTILINE)
    assert re.fullmatch(r"[a-z]+:[\w.-]+@sha256:[0-9a-f]{64}", base)
    assert re.findall(r"^ARG BUILD_BASE=(.+)$", text, re.MULTILINE) == ["${BASE}"]
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["${BUILD_BASE}", "${BASE}"]


def test_the_version_is_the_charts() -> None:
    (version,) = re.findall(r"^ARG VERSION=(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    chart = yaml.safe_load((ROOT / "charts/pryv-operator/Chart.yaml").read_text())
    assert version == chart["appVersion"] == pryv_operator.__version__


def test_no_module_needs_the_generated_classes_that_the_image_lacks() -> None:
    program = """
import importlib, pkgutil, re, sys
from importlib.abc import MetaPathFinder

class WithoutGenerated(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if re.fullmatch(r"kubernetes\\.(aio\\.)?client\\.(api|models\\..+)", name):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, WithoutGenerated())
import kubernetes.aio.client
import pryv_operator
for module in pkgutil.walk_packages(pryv_operator.__path__, "pryv_operator."):
    importlib.import_module(module.name)
try:
    kubernetes.aio.client.CoreV1Api
except ModuleNotFoundError as missing:
    print("all imported without", missing)
"""
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    expected = "all imported without kubernetes.aio.client.api\n"
    assert answer.stdout == expected, answer.stderr
