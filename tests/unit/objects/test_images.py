"""Images in another registry."""

from __future__ import annotations

import pytest

from pryv_operator.objects.images import in_registry


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("docker.io/pryvio/core:1.9.2", "registry.acme.health/pryv/core:1.9.2"),
        ("eu.gcr.io/pryvio/core:1.7.3", "registry.acme.health/pryv/core:1.7.3"),
        (
            "pryvsa-docker-release.bintray.io/pryv/core:1.3.30",
            "registry.acme.health/pryv/core:1.3.30",
        ),
        ("influxdb:1.7.8", "registry.acme.health/pryv/influxdb:1.7.8"),
        ("localhost:5000/core@sha256:0123", "registry.acme.health/pryv/core@sha256:0123"),
    ],
)
def test_images_of_all_releases_move_to_the_registry(image: str, expected: str) -> None:
    assert in_registry(image, "registry.acme.health/pryv") == expected
    assert in_registry(image, "registry.acme.health/pryv/") == expected
    assert in_registry(image, None) == image
