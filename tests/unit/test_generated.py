"""Generated files are up to date, and the schema suits the API server and GitOps tools."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from manifests import troubleshooting, variables_page
from pryv_operator.api import crd, names
from pryv_operator.api.reasons import Reason
from pryv_operator.api.spec import PryvPlatformSpec
from pryv_operator.offline.variable_texts import explain_offline, variable_documents
from pryv_operator.templates.builtin import RELEASES, load_release

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

Schema = dict[str, Any]

ROOT = Path(__file__).parents[2]
#: Validated by a dry run of the workload or, for variables, by rendering.
OPEN_OBJECTS = {"affinity", "tolerations", "topologySpreadConstraints", "variables"}


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """``manifests/generate.py``, a script, as a module."""
    found = importlib.util.spec_from_file_location("generate", ROOT / "manifests/generate.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def root() -> Schema:
    schema: Schema = crd.definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def walk(node: Schema, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Schema]]:
    """Every schema in a schema, with its path."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from walk(child, (*path, name))
    if isinstance(node.get("additionalProperties"), dict):
        yield from walk(node["additionalProperties"], (*path, "{}"))
    if "items" in node:
        yield from walk(node["items"], (*path, "[]"))


def test_generated_files_are_up_to_date(generate: ModuleType) -> None:
    stale = [path.name for path in generate.stale_files(generate.from_models())]
    assert not stale, "run: python manifests/generate.py"


@pytest.mark.long
def test_the_page_of_variables_is_up_to_date(generate: ModuleType) -> None:
    stale = [path.name for path in generate.stale_files(generate.from_release())]
    assert not stale, "run: python manifests/generate.py"


def test_every_variable_has_its_section() -> None:
    """All of what the release declares; files and restarts are computed for a few of them."""
    page = (ROOT / "docs/variables.md").read_text(encoding="utf-8")
    declared = variable_documents(load_release())
    grouped = [name for _, names in variables_page.groups(RELEASES[0]) for name in names]
    assert grouped == [each["name"] for each in declared]
    for each in declared:
        assert "\n".join((*variables_page.summary(each), "- **Files:**")) in page


@pytest.mark.parametrize(
    "name", ["MAX_UPLOAD_SIZE_MB", "PLATFORM_NAME", "CORE_SYSTEM_KEY", "LICENSE_NAME"]
)
def test_the_page_shows_files_and_restarts_of_a_variable(name: str) -> None:
    page = (ROOT / "docs/variables.md").read_text(encoding="utf-8")
    section = variables_page.section(explain_offline(load_release(), name).document)
    assert "\n".join(section) in page


@pytest.fixture(scope="module")
def reason_sections() -> dict[str, str]:
    """Reason → its section in the docs."""
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    text = page.partition(troubleshooting.BEGIN)[2].partition(troubleshooting.END)[0]
    found = re.findall(r"^### `(\w+)`\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    assert len(found) == len(dict(found)), "one anchor per reason"
    return dict(found)


def test_every_reason_has_a_section_in_the_docs(reason_sections: dict[str, str]) -> None:
    assert set(reason_sections) == {str(reason) for reason in Reason}


@pytest.mark.parametrize("reason", Reason)
def test_the_docs_have_cause_check_and_remedy(
    reason: Reason, reason_sections: dict[str, str]
) -> None:
    entries = dict(re.findall(r"^- \*\*(\w+):\*\* (.+)\.$", reason_sections[reason], re.MULTILINE))
    plain = {name: text.replace("\\*", "*") for name, text in entries.items()}
    assert plain == {
        "Cause": reason.meaning,
        "Check": reason.check,
        "Remedy": reason.remedy or troubleshooting.NOTHING_TO_DO,
    }


@pytest.mark.parametrize("markers", [(), (0,), (1,), (1, 0), (0, 0, 1), (0, 1, 1)])
def test_a_page_without_its_markers_is_refused(markers: tuple[int, ...]) -> None:
    both = (troubleshooting.BEGIN, troubleshooting.END)
    with pytest.raises(ValueError, match="must each appear once"):
        troubleshooting.with_reasons("\n".join(both[each] for each in markers))


def test_the_chart_contains_the_same_crd(generate: ModuleType) -> None:
    spec = (
        generate.chart_crd_file()
        .split("\nspec:\n", 1)[1]
        .removesuffix("{{- end }}\n")
        .replace('{{ "{{" }}', "{{")
    )
    assert yaml.safe_load("spec:\n" + spec)["spec"] == crd.definition()["spec"]


def test_the_reference_names_every_field_and_every_rule(generate: ModuleType) -> None:
    text = generate.reference()
    for path, node in walk(root()):
        if len(path) > 1 and path[-1] not in ("{}", "[]") and "variables" not in path:
            assert f"`{path[-1]}`" in text
        for rule in node.get("x-kubernetes-validations", ()):
            if "variables" not in path:
                assert rule["message"][1:] in text, path  # a sentence begins with a capital


def test_the_crd_can_be_applied_by_any_kubectl(generate: ModuleType) -> None:
    """Client-side apply stores a copy in an annotation; all annotations may have 256 KiB."""
    assert len(json.dumps(yaml.safe_load(generate.crd_file()))) < 200_000


def test_the_crd_has_no_yaml_anchors(generate: ModuleType) -> None:
    assert not any(isinstance(token, yaml.AnchorToken) for token in yaml.scan(generate.crd_file()))


def test_the_schema_has_no_defaults() -> None:
    """GitOps tools would report a default that the API server adds as a permanent difference."""
    assert not [path for path, node in walk(root()) if "default" in node]


def test_every_list_map_and_string_has_a_maximum() -> None:
    """The API server estimates the cost of every rule from the maximum sizes."""
    keyword = {
        "array": "maxItems",
        "string": "maxLength",
        "integer": None,
        "boolean": None,
        "object": None,
    }
    for path, node in walk(root()):
        maximum = "maxLength" if node.get("x-kubernetes-int-or-string") else keyword[node["type"]]
        if "additionalProperties" in node:
            maximum = "maxProperties"
        if path not in {("apiVersion",), ("kind",)} and "enum" not in node:
            assert maximum is None or maximum in node, path
        if node.get("x-kubernetes-preserve-unknown-fields"):
            assert OPEN_OBJECTS & set(path), path


def test_every_field_is_described() -> None:
    for path, node in walk(root()):
        if path != ("metadata",) and not (path and path[-1] in ("{}", "[]")):
            assert node.get("description", "").endswith("."), path


def test_every_list_declares_how_it_is_merged() -> None:
    """Without it, server-side apply by two field managers replaces the whole list."""
    for path, node in walk(root()):
        if node.get("type") == "array":
            assert node.get("x-kubernetes-list-type") in ("map", "set", "atomic"), path


def test_no_rule_is_on_a_string_that_may_be_a_secret() -> None:
    """The API server quotes a string that a rule or pattern rejects."""
    for path, node in walk(root()):
        if path[:2] == ("spec", "variables") or path == ("spec", "tls", "caBundle"):
            assert node["type"] == "object" or not {
                "pattern",
                "enum",
                "x-kubernetes-validations",
            } & set(node)


def test_the_longest_allowed_names_fit() -> None:
    """The CRD's rules on names agree with ``names``."""
    longest = names.MAX_WORKLOAD_NAME - names.LONGEST_COMPONENT - 2
    platform = "a" * (longest - 3)
    assert (
        len(names.workload(platform, "co1", "x" * names.LONGEST_COMPONENT))
        == names.MAX_WORKLOAD_NAME
    )
    assert (
        len(names.workload("a" * (longest - 9), "reg-slave", "x" * names.LONGEST_COMPONENT))
        <= names.MAX_WORKLOAD_NAME
    )


def test_models_read_the_sample() -> None:
    sample = yaml.safe_load((ROOT / "manifests/samples/platform.yaml").read_text())
    spec = PryvPlatformSpec.model_validate(sample["spec"])
    assert spec.model_dump(by_alias=True, exclude_unset=True) == sample["spec"]
