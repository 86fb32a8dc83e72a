"""Inputs of the pure core, without a cluster."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pryv_operator.api.platform import Platform
from pryv_operator.api.spec import PryvPlatformSpec
from pryv_operator.desired.inputs import Inputs
from pryv_operator.desired.state import compute_desired
from pryv_operator.pki.certificate import Certificate
from pryv_operator.templates.builtin import load_release
from pryv_operator.values.addresses import placeholder_addresses
from pryv_operator.values.platform_values import generated_names


def inputs_of(**further: Any) -> Inputs:
    """A platform of the built-in release with secrets, and without addresses."""
    spec = PryvPlatformSpec.model_validate({"domain": "pryv.acme.test", **further})
    platform = Platform("acme", "bench", "", spec)
    bundle = load_release(spec.release)
    return Inputs(
        platform=platform,
        bundle=bundle,
        secrets={name: "secret-" + name.lower() for name in generated_names(platform, bundle)},
        hash_key=b"key",
        addresses={},
        certificate=Certificate("chain", "key"),
        authorities="-----BEGIN CERTIFICATE-----",
        cluster_dns="10.96.0.10",
    )


def with_all_addresses(given: Inputs) -> Inputs:
    """The same with an address for each of the Services that it leads to."""
    services = [item["metadata"]["name"] for item in compute_desired(given).services]
    return replace(given, addresses=placeholder_addresses(services))
