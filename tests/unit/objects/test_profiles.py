"""A service is known by its name, and by its image where its name says nothing."""

from __future__ import annotations

import pytest

from pryv_operator.objects.profiles import KNOWN, PLAIN, profile_of

#: Images of the releases, and names of services that have the same profile.
PRYVS = {
    "nginx": "reverse_proxy",
    "core": "core",
    "mfa": "mfa",
    "service-mfa": "mfa",
    "mongodb": "mongodb",
    "redis": "redis",
    "router": "core_router",
    "audit": "core_audit",
    "app-web-admin": "admin_panel",
}
FORMS = [
    "docker.io/pryvio/{}:1.9.2",
    "eu.gcr.io/pryvio/{}:1.6.0",
    "pryvsa-docker-release.bintray.io/pryv/{}:1.3.38",
    "registry.example.com:5000/x/pryv-{}@sha256:" + "0" * 64,
    "pryvio/{}",
    "pryvio/{}:1.9.2@sha256:" + "0" * 64,
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("image", PRYVS)
def test_a_renamed_service_is_known_by_pryvs_image(image: str, form: str) -> None:
    assert profile_of("renamed", form.format(image)) == profile_of(PRYVS[image])


@pytest.mark.parametrize("registry", ["", "library/", "docker.io/library/", "mirror:5000/a/"])
@pytest.mark.parametrize(
    ("image", "path", "port"),
    [
        ("mongo:7", "/data/db", 27017),
        ("mongo", "/data/db", 27017),
        ("redis:7-alpine", "/data", 6379),
        ("influxdb:1.7.8", "/var/lib/influxdb", 8086),
        ("influxdb:1", "/var/lib/influxdb", 8086),
        ("influxdb:2.7-alpine", "/var/lib/influxdb2", 8086),
        ("influxdb:10", "/var/lib/influxdb2", 8086),
        ("influxdb", "/var/lib/influxdb2", 8086),
    ],
)
def test_a_public_store_keeps_its_state_where_its_image_has_it(
    registry: str, image: str, path: str, port: int
) -> None:
    profile = profile_of("renamed", registry + image)
    assert (profile.store, profile.state_path, profile.ports) == (True, path, (port,))
    assert not profile.runit


@pytest.mark.parametrize("registry", ["", "mirror.example.com/x/"])
@pytest.mark.parametrize("image", ["mongodb", "core", "app-web-auth3"])
def test_some_names_are_pryvs_in_every_registry(image: str, registry: str) -> None:
    assert profile_of("renamed", f"{registry}{image}:1") == profile_of(image.replace("-", "_"))


@pytest.mark.parametrize(
    "image",
    ["nginx:1.25", "x/mail:2", "a:1", "postgres:15", "mongo-express", "x/pryvio:1", ":", ""],
)
def test_other_images_are_not_known(image: str) -> None:
    assert profile_of("renamed", image) == PLAIN


@pytest.mark.parametrize("name", KNOWN)
def test_the_name_goes_before_the_image(name: str) -> None:
    assert profile_of(name, "mongo:7") == profile_of(name)
