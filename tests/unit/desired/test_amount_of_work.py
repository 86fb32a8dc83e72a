"""How often the slow steps run while a platform is computed: counts, which no machine changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import ahocorasick_rs
import pytest
import yaml
from jinja2 import BaseLoader

from pryv_operator.desired import compose_files
from pryv_operator.desired.state import compute_desired
from pryv_operator.leader import js_yaml, substitution
from pryv_operator.leader.substitution import Substitution
from pryv_operator.rendering import files, service_checks
from pryv_operator.rendering.jinja import Templates
from pryv_operator.rendering.jinja_sandbox import Sandbox
from pryv_operator.rendering.known_texts import KnownTexts
from pryv_operator.values.usage import _NameSearch
from tests.unit.builders import inputs, platform

CORES = {"core": {"instances": [{"name": "co1"}, {"name": "co2"}]}, "reg-slave": {}}


class Counted:
    """Calls of functions, by name."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.calls: dict[str, int] = {}
        #: Of a platform whose release has been rendered for another one.
        self.inputs = inputs(platform(roles=CORES))

    def watch(self, owner: Any, name: str) -> None:
        """Count the calls of ``owner.name``."""
        function: Callable[..., Any] = getattr(owner, name)
        self.calls[name] = 0

        def counted(*arguments: Any, **named: Any) -> Any:
            self.calls[name] += 1
            return function(*arguments, **named)

        self._monkeypatch.setattr(owner, name, counted)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Counts calls while a platform is computed, the second one of its release."""
    counted = Counted(monkeypatch)
    first = platform("first", roles=CORES)
    spec = first.spec.model_copy(update={"domain": "pryv.first.health"})
    given = inputs(replace(first, spec=spec))
    monkeypatch.setattr(files, "_PARSING", KnownTexts())
    monkeypatch.setattr(service_checks, "_FAULTLESS", KnownTexts())
    compose_files._read_before.cache_clear()
    compute_desired(given)
    return counted


def test_yaml_of_the_release_needs_no_complete_parser(counted: Counted) -> None:
    counted.watch(yaml, "parse")
    counted.watch(yaml, "load")
    counted.watch(js_yaml, "read_plain_yaml")
    assert not compute_desired(counted.inputs).problems
    # core.yml also for its values; the compose files of core and static are constant, and
    # mfa.yml is the same for all platforms.
    assert counted.calls == {"parse": 0, "load": 0, "read_plain_yaml": 7}


def test_files_without_secrets_are_parsed_and_checked_once(counted: Counted) -> None:
    compute_desired(counted.inputs)
    counted.watch(js_yaml, "read_plain_yaml")
    counted.watch(compose_files, "parse_compose")
    counted.watch(service_checks, "core_faults")
    counted.watch(service_checks, "register_faults")
    counted.watch(files, "check_parses")
    compute_desired(counted.inputs)
    # Of the five files with secrets, one is YAML, and the others are JSON.
    assert counted.calls == {
        "read_plain_yaml": 1,
        "parse_compose": 0,
        "core_faults": 0,
        "register_faults": 0,
        "check_parses": 5,
    }


def test_templates_are_loaded_once_for_all_platforms(counted: Counted) -> None:
    counted.watch(BaseLoader, "load")
    counted.watch(Sandbox, "__init__")
    compute_desired(counted.inputs)
    assert counted.calls == {"load": 0, "__init__": 0}


def test_masked_files_resolve_only_what_is_secret_again(counted: Counted) -> None:
    counted.watch(Substitution, "_resolve_typed")
    compute_desired(counted.inputs)
    # 82 are used; 6 are masks, or hold some; 2 are in compose files, which are rendered first.
    assert counted.calls["_resolve_typed"] == 90


def test_names_are_compiled_once_for_all_platforms_and_renderers(counted: Counted) -> None:
    counted.watch(ahocorasick_rs, "AhoCorasick")
    compute_desired(counted.inputs)
    assert counted.calls == {"AhoCorasick": 0}


def test_names_of_a_platform_are_compiled_once(counted: Counted) -> None:
    substitution._known_names.cache_clear()
    counted.watch(ahocorasick_rs, "AhoCorasick")
    compute_desired(counted.inputs)
    assert counted.calls["AhoCorasick"] == 1


def test_templates_are_rendered_once_and_with_masks_if_secret(counted: Counted) -> None:
    counted.watch(Templates, "render")
    counted.watch(Sandbox, "begin")
    counted.watch(Substitution, "__init__")
    compute_desired(counted.inputs)
    # Of 47 files 35 ask for variables. Five of them, with secrets, are rendered with masks, too.
    assert counted.calls == {"render": 40, "begin": 40, "__init__": 3}


def test_templates_are_searched_for_names_once_for_all_platforms(counted: Counted) -> None:
    variables = {"PLATFORM_NAME": "Acme", "SUPPORT_URL": "https://acme.test"}
    compute_desired(inputs(platform("third", roles=CORES, variables=variables)))
    given = inputs(platform(roles=CORES, variables=variables))
    counted.watch(_NameSearch, "in_file")
    counted.watch(_NameSearch, "in_text")
    assert not compute_desired(given).problems
    assert counted.calls["in_file"] == 0
    assert counted.calls["in_text"] > 0  # values, which are the platform's
    undeclared = inputs(platform(roles=CORES, variables={"OTHER": "x"}))
    counted.calls["in_file"] = 0
    assert "OTHER" in str(compute_desired(undeclared).warnings)
    assert counted.calls["in_file"] > 0
