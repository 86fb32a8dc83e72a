"""Verb, resource and namespace of requests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.kube import resources
from pryv_operator.kube.request_labels import namespace_of, request_labels
from pryv_operator.kube.resources import Resource

RESOURCES = [each for each in vars(resources).values() if isinstance(each, Resource)]
#: As Kubernetes names objects; they may look like a part of a path.
NAMES = st.sampled_from(["acme", "namespaces", "api", "apis", "v1", "pods"])


@pytest.mark.parametrize(
    ("method", "path", "options", "labels"),
    [
        ("GET", "/api/v1/namespaces/pryv/pods", {}, ("list", "pods")),
        ("GET", "/api/v1/pods", {"watch": True}, ("watch", "pods")),
        ("PATCH", "/api/v1/namespaces/pryv/secrets/a", {}, ("patch", "secrets")),
        (
            "PATCH",
            "/apis/pryv.io/v1alpha1/namespaces/pryv/pryvplatforms/acme/status",
            {"apply": True},
            ("apply", "pryvplatforms/status"),
        ),
        ("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {}, ("create", "tokenreviews")),
        ("GET", "/api/v1/namespaces/pryv", {}, ("get", "namespaces")),
        ("GET", "/version", {}, ("list", "")),
    ],
)
def test_labels(method: str, path: str, options: dict[str, bool], labels: tuple[str, str]) -> None:
    assert request_labels(method, path, **options) == labels


@given(st.sampled_from(RESOURCES), NAMES, NAMES, st.sampled_from([None, "status", "eviction"]))
def test_names_never_become_labels(
    resource: Resource, namespace: str, name: str, subresource: str | None
) -> None:
    expected = resource.plural + (f"/{subresource}" if subresource else "")
    path = resource.path(namespace, name, subresource)
    assert request_labels("GET", path) == ("get", expected)
    assert request_labels("DELETE", path) == ("delete", expected)
    assert request_labels("GET", resource.path(namespace)) == ("list", resource.plural)
    assert request_labels("GET", resource.path(None)) == ("list", resource.plural)
    # The check before a write depends on it.
    assert namespace_of(path) == namespace_of(resource.path(namespace)) == namespace
    assert namespace_of(resource.path(None)) == namespace_of(resource.path(None, name)) == ""


@pytest.mark.parametrize("path", ["/version", "/api/v1/namespaces", "/api/v1/namespaces/pryv", ""])
def test_what_has_no_namespace(path: str) -> None:
    assert namespace_of(path) == ""
