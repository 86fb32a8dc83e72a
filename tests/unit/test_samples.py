"""The samples of manifests/samples can be rendered, and show what they name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.spec import PryvPlatformSpec
from pryv_operator.desired.state import Desired, compute_desired
from pryv_operator.offline import preview
from pryv_operator.offline.documents import read_documents

SAMPLES = sorted((Path(__file__).parents[2] / "manifests/samples").glob("*.yaml"))
NAMES = [
    *("cert-manager", "external-slave", "full", "imported-templates", "minimal"),
    *("own-certificate", "platform", "single-node", "two-cores"),
]


def sample(name: str) -> Path:
    return next(path for path in SAMPLES if path.stem == name)


def platform(path: Path) -> dict[str, Any]:
    (found,) = (each for each in yaml.safe_load_all(path.read_text()) if each["kind"] == keys.KIND)
    assert isinstance(found, dict)
    return found


def desired(name: str) -> Desired:
    documents = read_documents([(f"{name}.yaml", sample(name).read_text())])
    return compute_desired(preview.prepare_inputs(documents, show_secrets=False).inputs)


def kinds(name: str) -> dict[str, set[str]]:
    """Kind → names of the objects."""
    found: dict[str, set[str]] = {}
    state = desired(name)
    for each in (*state.services, *state.objects):
        found.setdefault(each["kind"], set()).add(each["metadata"]["name"])
    return found


def test_there_is_a_sample_for_each_way_to_begin() -> None:
    assert [path.stem for path in SAMPLES] == NAMES


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_sample_begins_with_what_it_shows_and_has_one_platform(path: Path) -> None:
    assert path.stem == "platform" or path.read_text().startswith("# ")
    found = platform(path)
    assert found["metadata"] == {"name": "acme", "namespace": "pryv"}
    spec = PryvPlatformSpec.model_validate(found["spec"])
    assert spec.model_dump(by_alias=True, exclude_unset=True) == found["spec"]


@pytest.mark.parametrize("name", NAMES)
def test_sample_is_rendered_without_a_problem(name: str) -> None:
    found = desired(name)
    assert not found.problems
    assert not found.waiting
    assert len(found.objects) > 30
    unexpected = {str(each.reason) for each in found.warnings} - {"NotReachableFromOutside"}
    assert not unexpected


def test_samples_show_what_they_are_named_after() -> None:
    assert "acme-co2-core" in kinds("two-cores")["StatefulSet"]
    assert "acme-single-core" in kinds("single-node")["StatefulSet"]
    assert "acme-reg-redis-slave" in kinds("external-slave")["Service"]
    request = desired("cert-manager").certificate_request
    assert request is not None
    assert request["spec"]["issuerRef"]["name"] == "letsencrypt-dns"
    assert "acme-reg-slave-dns" in kinds("full")["Deployment"]
    configuration = [each for each in desired("imported-templates").objects if "data" in each]
    assert any("return 308 https://" in str(each["data"]) for each in configuration)
