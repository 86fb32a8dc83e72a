"""Builders of test data for the pure rooms: platforms, components, inputs of a desired state."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pryv_operator.api import names
from pryv_operator.api.instances import Instance
from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.spec import ComponentOverrides, PryvPlatformSpec
from pryv_operator.compose.model import ComposeFile, Mount, Port, Service
from pryv_operator.desired.inputs import Inputs
from pryv_operator.desired.state import Desired, compute_desired
from pryv_operator.objects.model import Component, File
from pryv_operator.objects.profiles import profile_of
from pryv_operator.pki.certificate import Certificate
from pryv_operator.templates.builtin import load_release
from pryv_operator.values.addresses import Address
from pryv_operator.values.platform_values import generated_names

DOMAIN = "pryv.acme.health"
UID = "6fd4d5a6-0000-4000-8000-000000000001"
CERTIFICATE = Certificate("the chain\n", "the key\n")
CLUSTER_DNS = "10.96.0.10"


def platform(name: str = "acme", *, uid: str = UID, **spec: Any) -> Platform:
    """A platform; ``spec`` as a user writes it, besides the domain."""
    return Platform(name, "pryv", uid, PryvPlatformSpec.model_validate({"domain": DOMAIN, **spec}))


def instance(role: str = names.CORE, name: str = "co1", **fields: Any) -> Instance:
    """A role instance."""
    return Instance(role=role, name=name, host=name, **fields)


def service(
    name: str,
    *,
    mounts: Iterable[str] = (),
    ports: Iterable[Port] = (),
    networks: Iterable[str] = ("backend",),
) -> Service:
    """A compose service; ``mounts`` as SOURCE:TARGET[:ro]."""
    parsed = [text.split(":") for text in mounts]
    return Service(
        name=name,
        image=f"docker.io/pryvio/{name}:1.0",
        networks=tuple(networks),
        ports=tuple(ports),
        mounts=tuple(Mount(each[0], each[1], len(each) > 2) for each in parsed),
    )


def component(
    of: Service | str, *, beside: Iterable[Service] = (), files: Iterable[File] = (), **fields: Any
) -> Component:
    """A component of co1, or of ``at``, whose compose file also has the services ``beside``."""
    mine = service(of) if isinstance(of, str) else of
    overrides = fields.pop("overrides", {})
    return Component(
        platform=fields.pop("platform", platform()),
        instance=fields.pop("at", instance()),
        compose=ComposeFile((mine, *beside)),
        service=mine,
        profile=profile_of(mine.name, mine.image),
        overrides=ComponentOverrides.model_validate(overrides),
        files=tuple(files),
        **fields,
    )


def inputs(of: Platform | None = None, **different: Any) -> Inputs:
    """Complete inputs: all generated secrets, an address for every Service, a certificate."""
    of = of or platform()
    bundle = different.pop("bundle", None) or load_release(of.spec.release)
    values = {name: f"generated-{index}" for index, name in enumerate(generated_names(of, bundle))}
    fields: dict[str, Any] = {
        "platform": of,
        "bundle": bundle,
        "secrets": values | different.pop("secrets", {}),
        "hash_key": b"key",
        "addresses": {},
        "certificate": CERTIFICATE,
        "cluster_dns": CLUSTER_DNS,
    }
    if "addresses" not in different:
        fields["addresses"] = addresses(Inputs(**fields | different))
    return Inputs(**fields | different)


def addresses(of: Inputs) -> Mapping[str, Address]:
    """Service → a cluster IP that depends on its name only."""
    return {
        item["metadata"]["name"]: Address(cluster_ip(item["metadata"]["name"]))
        for item in compute_desired(of).services
    }


def cluster_ip(name: str) -> str:
    """The cluster IP of a Service."""
    return ".".join(["10", *(str(byte) for byte in hashlib.sha256(name.encode()).digest()[:3])])


def state(**spec: Any) -> Desired:
    """The desired state of a platform with this spec and complete inputs."""
    return compute_desired(inputs(platform(**spec)))


def all_objects(found: Desired) -> tuple[Object, ...]:
    """All objects."""
    return (*found.services, *found.objects)


def workloads(found: Desired) -> dict[str, Object]:
    """Deployments and StatefulSets by name."""
    return {
        item["metadata"]["name"]: item for item in found.objects if item["kind"] in WORKLOAD_KINDS
    }


def changed_workloads(before: Desired, after: Desired) -> set[str]:
    """Names of the workloads in both states whose pod templates differ."""
    old, new = workloads(before), workloads(after)
    return {
        name
        for name in old.keys() & new.keys()
        if old[name]["spec"]["template"] != new[name]["spec"]["template"]
    }


def texts(value: Any) -> Iterator[str]:
    """Every string in a value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, child in value.items():
            yield from texts(key)
            yield from texts(child)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for child in value:
            yield from texts(child)
