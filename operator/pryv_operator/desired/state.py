"""The desired state of a platform: the one pure function from inputs to Kubernetes objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from pryv_operator.api import names
from pryv_operator.api.findings import Advisory, Finding, Problem, Waiting
from pryv_operator.api.instances import Instance
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.reasons import Reason
from pryv_operator.desired import (
    certificates,
    checks,
    output_limits,
    privileges,
    restarts,
    shared_secrets,
)
from pryv_operator.desired.components import build_components
from pryv_operator.desired.inputs import Inputs
from pryv_operator.desired.service_values import check_service_values
from pryv_operator.desired.warnings import Subject, compute_warnings, cut_over_warnings
from pryv_operator.objects import pvcs
from pryv_operator.objects.configuration import Configuration, SecretNaming, configuration_of
from pryv_operator.objects.disruption_budgets import disruption_budget
from pryv_operator.objects.model import Component, File
from pryv_operator.objects.network_policies import network_policy
from pryv_operator.objects.pods import is_replaced_first
from pryv_operator.objects.services import (
    external_services,
    external_slave_service,
    internal_service,
    preserve_class,
)
from pryv_operator.objects.workloads import is_scaled_to_zero, workload
from pryv_operator.values.addresses import UNKNOWN_ADDRESS, Address
from pryv_operator.values.platform_values import resolve_platform_values

#: How many names a message lists.
_SHOWN: Final = 3


@dataclass(frozen=True)
class WorkloadPlan:
    """A desired workload. ``label`` is how users know it: ``co1/core``."""

    kind: str
    name: str
    label: str
    #: Position in the rollout of its instance, see ``Profile.tier``.
    tier: int = 2
    #: Name of the workload that it reads from when it starts, if there is one.
    reads: str = ""
    #: Whether it migrates its data at start, so that an older image may not read it again.
    migrates: bool = False
    #: Whether its old pod stops before the new one starts.
    stops_first: bool = False
    #: Whether the spec wants no pod of it: ``replicas: 0`` or ``spec.stopped``.
    scaled_to_zero: bool = False
    #: What to look at when it does not become ready.
    hint: str = ""


@dataclass(frozen=True)
class InstancePlan:
    """A role instance with its workloads, blocked ones included."""

    name: str
    role: str
    #: The address clients reach it at; None while unknown.
    address: str | None
    workloads: tuple[WorkloadPlan, ...]


@dataclass(frozen=True)
class Desired:
    """All objects of a platform, and what is reported about it.

    With ``problems`` there are no objects: what runs keeps running. With ``waiting`` there are only
    the Services. ``blocked`` maps a workload to what it waits for: such workloads are neither
    applied nor deleted.
    """

    release: str
    problems: tuple[Problem, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    warnings: tuple[Advisory, ...] = ()
    services: tuple[Object, ...] = field(default=(), repr=False)
    #: In this order: PVCs, configuration, network policies, disruption budgets, workloads.
    objects: tuple[Object, ...] = field(default=(), repr=False)
    #: The Certificate object for cert-manager, if the platform names an issuer.
    certificate_request: Object | None = field(default=None, repr=False)
    blocked: Mapping[str, Finding] = field(default_factory=dict)
    instances: tuple[InstancePlan, ...] = ()
    #: Labels of components that keep an earlier template, see ``rollout/deferral.py``.
    deferred: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether ``objects`` are all desired objects, so that any other may be deleted."""
        return not self.problems and not self.waiting


def compute_desired(inputs: Inputs) -> Desired:
    """The complete desired state of a platform. Pure: the same inputs give the same bytes."""
    bundle = inputs.bundle
    resolved = resolve_platform_values(
        inputs.platform,
        bundle,
        addresses=inputs.addresses,
        secrets=inputs.secrets,
        cluster_dns=inputs.cluster_dns,
    )
    found = Desired(
        bundle.version,
        warnings=(
            *inputs.warnings,
            *cut_over_warnings(inputs.platform, resolved.instances),
            *resolved.address_warnings,
            *resolved.warnings,
        ),
    )
    problems = (
        *inputs.problems,
        *resolved.problems,
        *privileges.check_privileges(inputs.platform, inputs.allowed),
        *checks.check_spec(inputs.platform.spec, bundle, resolved.instances),
    )
    if problems:
        return replace(found, problems=problems)
    components, problems = build_components(inputs, resolved.instances, resolved.values)
    if problems:
        return replace(found, problems=problems)
    components, restart_warnings = restarts.with_restarts(
        components, inputs.restart, inputs.restarts
    )
    services, class_warnings = _services(inputs, resolved.instances, components)
    found = replace(found, warnings=(*found.warnings, *restart_warnings, *class_warnings))
    used = check_service_values(inputs.platform.spec, bundle, components, resolved.values)
    found = replace(found, warnings=(*found.warnings, *used.warnings))
    problems = (*checks.check_components(components, services), *used.problems)
    if problems:
        return replace(found, problems=problems)

    subject = Subject(
        inputs.platform,
        bundle,
        resolved.instances,
        components,
        inputs.unresolved,
        _own_addresses(inputs, resolved.addresses),
    )
    found = replace(
        found,
        warnings=(*found.warnings, *compute_warnings(subject)),
        waiting=(
            *inputs.waiting,
            *resolved.waiting,
            *_services_without_address(services, inputs.addresses),
        ),
        services=services,
        certificate_request=certificates.certificate_request(inputs.platform),
        instances=tuple(
            _plan(instance, components, resolved.addresses) for instance in resolved.instances
        ),
    )
    if not found.waiting:
        found = _with_objects(found, inputs, components, resolved.masks)
    problems = output_limits.check_objects((*found.services, *found.objects))
    if problems:
        return Desired(found.release, problems=problems, warnings=found.warnings)
    return found


def _own_addresses(inputs: Inputs, addresses: Mapping[str, str]) -> frozenset[str]:
    """Addresses of the platform's Services and instances, also as long as they are unknown."""
    services = inputs.addresses.values()
    found = {
        UNKNOWN_ADDRESS,
        *addresses.values(),
        *(each.cluster_ip for each in services),
        *(each.load_balancer_ip for each in services),
    }
    return frozenset(each for each in found if each)


def _services(
    inputs: Inputs, instances: Iterable[Instance], components: tuple[Component, ...]
) -> tuple[tuple[Object, ...], tuple[Advisory, ...]]:
    """Per instance: the internal Services, the external ones, and the one for a slave elsewhere.

    Also warnings about what cannot be changed of the live ones.
    """
    found: list[Object] = []
    for instance in instances:
        mine = [component for component in components if component.instance.key == instance.key]
        found += [service for component in mine if (service := internal_service(component))]
        found += external_services(inputs.platform, instance, mine)
        found += [service for component in mine if (service := external_slave_service(component))]
    preserved = [
        preserve_class(service, inputs.load_balancers.get(service["metadata"]["name"]))
        for service in found
    ]
    warnings = tuple(warning for _, warnings in preserved for warning in warnings)
    return tuple(service for service, _ in preserved), warnings


def _services_without_address(
    services: Iterable[Object], addresses: Mapping[str, Address]
) -> tuple[Waiting, ...]:
    """Configuration names Services by their cluster IPs, so these must be known first."""
    missing = sorted(
        service["metadata"]["name"]
        for service in services
        if not addresses.get(service["metadata"]["name"], Address()).cluster_ip
    )
    if not missing:
        return ()
    shown = ", ".join(f'"{name}"' for name in missing[:_SHOWN])
    rest = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    return (
        Waiting(
            Reason.WAITING_FOR_SERVICES,
            f"waiting for the cluster IPs of Services {shown}{rest}",
        ),
    )


def _plan(
    instance: Instance, components: Iterable[Component], addresses: Mapping[str, str]
) -> InstancePlan:
    workloads = tuple(
        WorkloadPlan(
            kind=component.workload_kind,
            name=component.name,
            label=f"{instance.name}/{names.slug(component.service.name)}",
            tier=component.profile.tier,
            reads=component.boot_inputs.provider if component.boot_inputs else "",
            migrates=component.profile.migrates,
            stops_first=not is_replaced_first(component),
            scaled_to_zero=is_scaled_to_zero(component),
            hint=component.profile.hint,
        )
        for component in components
        if component.instance.key == instance.key
    )
    return InstancePlan(instance.name, instance.role, addresses.get(instance.name), workloads)


def _with_objects(
    found: Desired, inputs: Inputs, components: tuple[Component, ...], masks: Mapping[str, str]
) -> Desired:
    """The desired state with PVCs, configuration, policies, disruption budgets and workloads."""
    blocked = _blocked(inputs, components)
    started = tuple(component for component in components if component.name not in blocked)
    problems = checks.check_file_sizes(started)
    if problems:
        return Desired(found.release, problems=problems, warnings=found.warnings)
    configuration, workloads = _workloads(inputs, components, started, masks)
    policies = (
        ()
        if inputs.platform.spec.network_policy is False
        else tuple(network_policy(component, components) for component in components)
    )
    budgets = tuple(budget for each in components if (budget := disruption_budget(each)))
    persistent, pvc_warnings = pvcs.pvc_objects(components, inputs.pvcs)
    return replace(
        found,
        objects=(*persistent, *configuration, *policies, *budgets, *workloads),
        blocked=blocked,
        warnings=(*found.warnings, *pvc_warnings),
    )


def _blocked(inputs: Inputs, components: Iterable[Component]) -> dict[str, Finding]:
    """Reverse proxies without a certificate, which would not start, and what they wait for."""
    return {
        component.name: certificate
        for component in components
        if component.profile.proxy
        and isinstance(certificate := inputs.certificate_of(component.instance.role), Finding)
    }


def _workloads(
    inputs: Inputs,
    components: tuple[Component, ...],
    started: tuple[Component, ...],
    masks: Mapping[str, str],
) -> tuple[tuple[Object, ...], tuple[Object, ...]]:
    """The configuration objects by kind and name, and the workloads that refer to them.

    ``started`` are those of the components that are not blocked.
    """
    naming = SecretNaming(inputs.hash_key, inputs.owned_secrets)
    shared_pvcs = pvcs.shared_pvcs(components)
    shared = shared_secrets.shared_secret_digests(
        components, inputs.secrets, masks, inputs.hash_key
    )
    configuration: dict[tuple[str, str], Object] = {}
    #: By role, service and files: instances of a role share them.
    known: dict[tuple[str, str, tuple[File, ...]], Configuration] = {}
    workloads: list[Object] = []
    for component in started:
        key = (component.instance.role, component.service.name, component.files)
        built = known.get(key)
        if built is None:
            built = known[key] = configuration_of(component, naming)
            configuration |= {
                (item["kind"], item["metadata"]["name"]): item for item in built.objects
            }
        item = workload(component, built, shared_pvcs)
        workloads.append(shared_secrets.with_digests(item, shared.get(component.name)))
    return tuple(configuration[name] for name in sorted(configuration)), tuple(workloads)
