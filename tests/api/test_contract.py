"""What the API server accepts and rejects, and its messages: the contract with users."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names, secret_variables
from pryv_operator.api.instances import instances
from pryv_operator.api.spec import PryvPlatformSpec
from tests.api.platforms import PlatformUser
from tests.cluster.api_client import APPLY_PATCH
from tests.cluster.fixtures import new_namespace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.control_plane import ControlPlane

pytestmark = pytest.mark.cluster

Object = dict[str, Any]

ROOT = Path(__file__).parents[2]
CRD_FILE = ROOT / "crds/pryv.io_pryvplatforms.yaml"
SAMPLE_FILE = ROOT / "manifests/samples/platform.yaml"
DOMAIN = "pryv.acme.test"
#: Stands for a secret: no answer may contain it.
CANARY = "canary-4f1e0c"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
LONGEST = 37


@pytest.fixture(scope="session")
def cluster(control_plane: ControlPlane, chart_kubeconfig: Path) -> ControlPlane:
    """A control plane with the CRD of the chart."""
    return control_plane


@pytest.fixture(scope="module")
def room(cluster: ControlPlane) -> Iterator[str]:
    """One namespace for all dry runs."""
    with new_namespace(cluster) as name:
        yield name


def _json(
    metadata: Object, version: str = keys.API_VERSION, kind: str = keys.KIND, **rest: Any
) -> str:
    return json.dumps({"apiVersion": version, "kind": kind, "metadata": metadata, **rest})


def platform(spec: Object, name: str = "acme") -> str:
    return _json({"name": name}, spec={"domain": DOMAIN, **spec})


@dataclass(frozen=True)
class Answer:
    """Exit code and stderr of kubectl, without the cost of a process for each request."""

    returncode: int
    stderr: str


def dry_run(cluster: ControlPlane, room: str, document: str, *, apply: bool = False) -> Answer:
    """`kubectl create` (or `apply --server-side`) `--dry-run=server --validate=strict`."""
    path = f"/apis/{keys.API_VERSION}/namespaces/{room}/{keys.PLURAL}"
    query = "?dryRun=All&fieldValidation=Strict&fieldManager=kubectl"
    if apply:
        body = {"Content-Type": APPLY_PATCH}
        status, text = cluster.api.answer(
            "PATCH",
            f"{path}/{json.loads(document)['metadata']['name']}{query}",
            document,
            headers=body,
        )
    else:
        status, text = cluster.api.answer(
            "POST", path + query, json.dumps(yaml.safe_load(document))
        )
    return Answer(0, "") if status < 300 else Answer(1, json.loads(text)["message"])


def core(**fields: Any) -> Object:
    return {"roles": {"core": fields}}


def cores(*instances: str) -> Object:
    return core(instances=[{"name": name} for name in instances])


def component(**fields: Any) -> Object:
    return core(components={"core": fields})


def register(**fields: Any) -> Object:
    return {"roles": {"reg-master": fields}}


def outside(**fields: Any) -> Object:
    return register(service=fields)


def secret(source: Any, name: str = "REGISTER_ADMIN_KEY") -> Object:
    return {"secrets": {name: source}}


DOMAIN_HINT = "must be a DNS name in lower case, such as pryv.example.com"
NAME_HINT = "beginning with a letter, and no dot"
ADDRESS_HINT = "must be an IPv4 address such as 203.0.113.10"
SOURCE_HINT = "exactly one source is required: generate: {} or secretKeyRef: {name: …, key: …}"
OBJECT_HINT = "must be the name of a Kubernetes object: lower-case letters"
QUANTITY_HINT = "must be a quantity of zero or more, such as 10Gi, 500m or 2"
IMAGE_HINT = "must be an image such as registry.example.com/pryv/core:1.9.2"
INSTANCE_HINT = "must be a host name under the domain"
COMPONENT_HINT = "keys must be names of services in the role's compose file"

REJECTED = {
    # rollout
    "rollout-policy": ({"rollout": {"onFailure": "Retry"}}, 'supported values: "Hold", "Rollback"'),
    "rollout-deadline": (
        {"rollout": {"progressDeadlineSeconds": 0}},
        "should be greater than or equal to 1",
    ),
    "rollout-history": ({"rollout": {"historyLimit": 0}}, "should be greater than or equal to 1"),
    "rotation-below-zero": (
        secret({"generate": {"rotation": -1}}),
        "should be greater than or equal to 0",
    ),
    # domain
    "domain-upper-case": ({"domain": "Pryv.acme.test"}, DOMAIN_HINT),
    "domain-url": ({"domain": "https://pryv.acme.test"}, "no https://"),
    "domain-one-label": ({"domain": "localhost"}, "at least two labels"),
    "domain-empty": ({"domain": ""}, DOMAIN_HINT),
    "domain-port": ({"domain": "pryv.acme.test:443"}, "no port"),
    "domain-final-dot": ({"domain": "pryv.acme.test."}, "no final dot"),
    "domain-first-dot": ({"domain": ".acme.test"}, DOMAIN_HINT),
    "domain-wildcard": ({"domain": "*.acme.test"}, DOMAIN_HINT),
    "domain-underscore": ({"domain": "my_pryv.acme.test"}, DOMAIN_HINT),
    "domain-hyphen": ({"domain": "-pryv.acme.test"}, DOMAIN_HINT),
    "domain-address": ({"domain": "192.0.2.1"}, "no IP address"),
    "domain-line": ({"domain": "pryv.acme.test\n"}, DOMAIN_HINT),
    "domain-long-label": ({"domain": f"{'a' * 64}.test"}, "of at most 63 characters"),
    "domain-too-long": ({"domain": ".".join(["abcdefghi"] * 21)}, "spec.domain: Too long"),
    "domain-number": ({"domain": 7}, "must be of type string"),
    "domain-twice": (
        {"variables": {"DOMAIN": "other.example"}},
        "DOMAIN must equal spec.domain; remove it from spec.variables",
    ),
    # fields
    "unknown-field": ({"domian": DOMAIN}, 'unknown field "spec.domian"'),
    "unknown-deep-field": (register(port=1), 'unknown field "spec.roles.reg-master.port"'),
    "unknown-role": ({"roles": {"regMaster": {}}}, 'unknown field "spec.roles.regMaster"'),
    "release": ({"release": "0.9"}, 'supported values: "1.9.2"'),
    "release-number": ({"release": 1.9}, "must be of type string"),
    "deletion-policy": ({"deletionPolicy": "Orphan"}, 'supported values: "Retain", "Delete"'),
    "network-policy": ({"networkPolicy": "no"}, "must be of type boolean"),
    "registry-url": ({"imageRegistry": "https://registry.example.com"}, "no https://, no tag"),
    "registry-final-slash": (
        {"imageRegistry": "registry.example.com/"},
        "must be a registry, optionally with a path",
    ),
    "pull-secret-name": ({"imagePullSecrets": [{"name": "Login"}]}, OBJECT_HINT),
    "pull-secret-twice": ({"imagePullSecrets": [{"name": "a"}, {"name": "a"}]}, "Duplicate value"),
    "pull-secret-text": ({"imagePullSecrets": ["a"]}, "must be of type object"),
    # core instances
    "same-name-twice": (cores("co1", "co1"), "names of core instances must be unique"),
    "no-instances": (core(instances=[]), "should have at least 1 items"),
    "too-many-instances": (cores(*(f"co{n}" for n in range(33))), "must have at most 32 items"),
    "instance-upper-case": (cores("Co1"), INSTANCE_HINT),
    "instance-dot": (cores("co1.eu"), INSTANCE_HINT),
    "instance-digit": (cores("1co"), INSTANCE_HINT),
    "instance-unnamed": (core(instances=[{"hosting": "geneva"}]), "name: Required value"),
    "instance-too-long": (cores("c" * 31), "may not be more than 30 bytes"),
    "instance-of-another": (cores("co1", "co1-core"), "names of objects would collide"),
    "instance-of-register": (cores("reg-dns"), "names of objects would collide"),
    "instance-of-static": (cores("sw-nginx"), "names of objects would collide"),
    "hosting": (
        core(instances=[{"name": "co1", "hosting": "Genève"}]),
        "must be the name of a hosting",
    ),
    **{
        f"reserved-{host}": (cores(host), "a name that the platform itself uses")
        for host in names.RESERVED_HOSTS
    },
    # addresses
    "address-host": (register(address="lb.acme.test"), ADDRESS_HINT),
    "address-long-host": (
        register(address="a1b2c3d4e5f60718-1234567890.elb.eu-central-2.example.com"),
        ADDRESS_HINT,
    ),
    "address-ipv6": (register(address="2001:db8::1"), ADDRESS_HINT),
    "address-mapped": (register(address="::ffff:192.0.2.1"), ADDRESS_HINT),
    "address-network": (register(address="192.0.2.0/24"), ADDRESS_HINT),
    "address-empty": (register(address=""), ADDRESS_HINT),
    "address-leading-zero": (register(address="192.0.2.010"), ADDRESS_HINT),
    "address-core": (core(instances=[{"name": "co1", "address": "lb"}]), ADDRESS_HINT),
    # services
    "service-type": (
        outside(type="ExternalName"),
        'supported values: "ClusterIP", "NodePort", "LoadBalancer"',
    ),
    "ranges-without-balancer": (
        outside(loadBalancerSourceRanges=["192.0.2.0/24"]),
        "require type: LoadBalancer",
    ),
    "ranges-node-port": (
        outside(type="NodePort", loadBalancerSourceRanges=["192.0.2.0/24"]),
        "require type: LoadBalancer",
    ),
    "class-without-balancer": (outside(loadBalancerClass="a"), "require type: LoadBalancer"),
    "ranges-bad": (
        outside(type="LoadBalancer", loadBalancerSourceRanges=["192.0.2.1"]),
        "networks in CIDR notation, such as 198.51.100.0/24",
    ),
    "slave-without-ranges": (
        register(externalSlave={"address": "198.51.100.7"}),
        "loadBalancerSourceRanges: Required value",
    ),
    "slave-no-ranges": (
        register(externalSlave={"loadBalancerSourceRanges": []}),
        "should have at least 1 items",
    ),
    "slave-everybody": (
        register(externalSlave={"loadBalancerSourceRanges": ["0.0.0.0/0"]}),
        "redis has no password",
    ),
    "slave-everybody-by-halves": (
        register(externalSlave={"loadBalancerSourceRanges": ["0.0.0.0/1", "128.0.0.0/1"]}),
        "the slave's own networks",
    ),
    "slave-everybody-ipv6": (
        register(externalSlave={"loadBalancerSourceRanges": ["::/0"]}),
        "redis has no password",
    ),
    "slave-range-address": (
        register(externalSlave={"loadBalancerSourceRanges": ["198.51.100.7"]}),
        "networks in CIDR notation, such as 198.51.100.7/32",
    ),
    "slave-range-word": (
        register(externalSlave={"loadBalancerSourceRanges": ["everyone"]}),
        "networks in CIDR notation, such as 198.51.100.7/32",
    ),
    "slave-address": (
        register(
            externalSlave={"address": "slave", "loadBalancerSourceRanges": ["198.51.100.7/32"]}
        ),
        ADDRESS_HINT,
    ),
    "slave-twice": (
        {
            "roles": {
                "reg-slave": {},
                "reg-master": {"externalSlave": {"loadBalancerSourceRanges": ["198.51.100.7/32"]}},
            }
        },
        "reg-master.externalSlave (outside it) are mutually exclusive",
    ),
    "slave-of-static": (
        {"roles": {"static": {"externalSlave": {}}}},
        'unknown field "spec.roles.static.externalSlave"',
    ),
    "traffic-policy-default-type": (
        outside(externalTrafficPolicy="Local"),
        "requires type: LoadBalancer or NodePort",
    ),
    "traffic-policy-cluster-ip": (
        outside(type="ClusterIP", externalTrafficPolicy="Local"),
        "externalTrafficPolicy requires type: LoadBalancer or NodePort",
    ),
    "traffic-policy": (
        outside(type="NodePort", externalTrafficPolicy="local"),
        'supported values: "Cluster", "Local"',
    ),
    "annotation-number": (outside(annotations={"a": 1}), "must be of type string"),
    # components
    "component-name": (core(components={"Core": {}}), COMPONENT_HINT),
    "component-name-dot": (core(components={"a.b": {}}), COMPONENT_HINT),
    "too-many-components": (
        core(components={f"c{n}": {} for n in range(25)}),
        "must have at most 24 items",
    ),
    "image-space": (component(image="core 1.9.2"), IMAGE_HINT),
    "image-upper-case": (component(image="Core:1.9.2"), IMAGE_HINT),
    "image-url": (component(image="https://registry.example.com/core"), IMAGE_HINT),
    "image-short-digest": (component(image="core@sha256:abc"), IMAGE_HINT),
    "image-empty": (component(image=""), "should be at least 1 chars long"),
    "replicas-many": (component(replicas=33), "should be less than or equal to 32"),
    "replicas-negative": (component(replicas=-1), "should be greater than or equal to 0"),
    "replicas-text": (component(replicas="2"), "must be of type integer"),
    "env-name": (
        component(env=[{"name": "MY-VAR", "value": ""}]),
        "must be the name of an environment variable",
    ),
    "env-name-digit": (component(env=[{"name": "1A", "value": ""}]), "not beginning with a digit"),
    "env-no-value": (component(env=[{"name": "A"}]), "value: Required value"),
    "env-twice": (
        component(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]),
        "Duplicate value",
    ),
    "env-too-many": (
        component(env=[{"name": f"A{n}", "value": ""} for n in range(65)]),
        "must have at most 64 items",
    ),
    "env-too-long": (
        component(env=[{"name": "A", "value": "x" * 4097}]),
        "may not be more than 4096 bytes",
    ),
    "quantity": (component(resources={"limits": {"memory": "lots"}}), QUANTITY_HINT),
    "quantity-unit": (component(resources={"requests": {"cpu": "1 core"}}), QUANTITY_HINT),
    "quantity-negative": (component(resources={"requests": {"cpu": "-1"}}), QUANTITY_HINT),
    "size": (component(storage={"size": "10GB"}), QUANTITY_HINT),
    "size-negative": (component(storage={"size": -10}), QUANTITY_HINT),
    "claim-with-size": (
        component(storage={"existingClaim": "data", "size": "1Gi"}),
        "existingClaim is used unchanged",
    ),
    "claim-with-class": (
        component(storage={"existingClaim": "data", "storageClassName": "fast"}),
        "is used unchanged",
    ),
    "claim-name": (component(storage={"existingClaim": "My data"}), OBJECT_HINT),
    "priority-class": (component(priorityClassName="High"), OBJECT_HINT),
    "tolerations": (component(tolerations={}), "must be of type array"),
    # certificates
    "two-certificates": (
        {"tls": {"secretName": "a", "issuerRef": {"name": "b"}}},
        "mutually exclusive",
    ),
    "templates-none": ({"templates": {}}, "archive or files is required"),
    "templates-archive-nowhere": (
        {"templates": {"archive": {}}},
        "exactly one source is required: configMapKeyRef",
    ),
    "templates-path-out": (
        {
            "templates": {
                "files": [
                    {
                        "role": "core",
                        "configMapRef": {"name": "a"},
                        "items": [{"key": "a", "path": "core/../x"}],
                    }
                ]
            }
        },
        "no '.' or '..'",
    ),
    "templates-path-absolute": (
        {
            "templates": {
                "files": [
                    {
                        "role": "core",
                        "configMapRef": {"name": "a"},
                        "items": [{"key": "a", "path": "/etc/x"}],
                    }
                ]
            }
        },
        "relative to the role's folder",
    ),
    "singlenode-and-core": ({"roles": {"singlenode": {}, "core": {}}}, "remove the other roles"),
    "external-ip-name": (
        {"roles": {"static": {"service": {"externalIPs": ["sw.acme.test"]}}}},
        "IPv4 address",
    ),
    "claim-name-long": (component(storage={"existingClaim": "a" * 64}), "63"),
    "tls-name": ({"tls": {"secretName": "*.acme.test"}}, OBJECT_HINT),
    "issuer-without-name": (
        {"tls": {"issuerRef": {"kind": "ClusterIssuer"}}},
        "name: Required value",
    ),
    "authority-no-certificate": ({"tls": {"caBundle": "/etc/ssl/ca.crt"}}, "in PEM form"),
    "authority-too-long": (
        {"tls": {"caBundle": CERTIFICATE * 2000}},
        "may not be more than 65536 bytes",
    ),
    # sources of secrets
    "source-empty": (secret({}), SOURCE_HINT),
    "source-both": (
        secret({"generate": {}, "secretKeyRef": {"name": "a", "key": "b"}}),
        SOURCE_HINT,
    ),
    "source-unknown": (
        secret({"value": CANARY}),
        'unknown field "spec.secrets.REGISTER_ADMIN_KEY.value"',
    ),
    "source-unknown-beside": (secret({"generate": {"length": 64}}), "unknown field"),
    "source-without-key": (secret({"secretKeyRef": {"name": "a"}}), "key: Required value"),
    "source-without-name": (secret({"secretKeyRef": {"key": "a"}}), "name: Required value"),
    "source-secret-name": (
        secret({"secretKeyRef": {"name": "My Secret", "key": "a"}}),
        OBJECT_HINT,
    ),
    "source-secret-key": (
        secret({"secretKeyRef": {"name": "a", "key": "a/b"}}),
        "must be a key of the object's data",
    ),
    "secret-name-dash": (
        secret({"generate": {}}, "REGISTER-ADMIN-KEY"),
        "keys must be a variable",
    ),
    "secret-name-dot": (secret({"generate": {}}, "EMAIL_SMTP_SETTINGS."), "or a path into one"),
    "secret-name-long": (secret({"generate": {}}, "A" * 201), "keys must be a variable"),
    "secrets-too-many": (
        {"secrets": {f"A{n}": {"generate": {}} for n in range(65)}},
        "must have at most 64 items",
    ),
    "variables-too-many": (
        {"variables": {f"A{n}": n for n in range(513)}},
        "must have at most 512 items",
    ),
    "variables-list": ({"variables": [{"name": "A", "value": "b"}]}, "must be of type object"),
}


@pytest.mark.parametrize(("spec", "message"), REJECTED.values(), ids=REJECTED)
def test_rejected_with_a_remedy(
    cluster: ControlPlane, room: str, spec: Object, message: str
) -> None:
    answer = dry_run(cluster, room, platform(spec))
    assert answer.returncode != 0
    assert message in answer.stderr
    assert CANARY not in answer.stderr


def test_domain_is_required(cluster: ControlPlane, room: str) -> None:
    answer = dry_run(cluster, room, _json({"name": "acme"}, spec={}))
    assert "spec.domain: Required value" in answer.stderr


# Names


@pytest.mark.parametrize(
    ("name", "spec", "message"),
    [
        pytest.param("acme.eu", {}, NAME_HINT, id="dot"),
        pytest.param("1acme", {}, NAME_HINT, id="digit"),
        pytest.param("a" * (LONGEST - 2), {}, "at most 34 characters", id="too-long"),
        pytest.param(
            "a" * (LONGEST - 8),
            {"roles": {"reg-slave": {}}},
            "at most 28 characters with a reg-slave",
            id="too-long-for-reg-slave",
        ),
        pytest.param(
            "a" * (LONGEST - 5),
            {"roles": {"singlenode": {}}},
            "at most 31 characters on a single node",
            id="too-long-for-singlenode",
        ),
        pytest.param(
            "acme-health", cores("c" * 27), "37 characters together", id="too-long-with-an-instance"
        ),
    ],
)
def test_names_of_impossible_objects_are_rejected(
    cluster: ControlPlane, room: str, name: str, spec: Object, message: str
) -> None:
    answer = dry_run(cluster, room, platform(spec, name))
    assert answer.returncode != 0
    assert message in answer.stderr


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        pytest.param("a", {}, id="shortest"),
        pytest.param("a" * (LONGEST - 3), {}, id="longest"),
        pytest.param(
            "a" * (LONGEST - 9), {"roles": {"reg-slave": {}}}, id="longest-with-reg-slave"
        ),
        pytest.param(
            "a" * (LONGEST - 6), {"roles": {"singlenode": {}}}, id="longest-with-singlenode"
        ),
        pytest.param("acme-health", cores("c" * 26), id="longest-with-an-instance"),
    ],
)
def test_longest_names_are_admitted(
    cluster: ControlPlane, room: str, name: str, spec: Object
) -> None:
    assert dry_run(cluster, room, platform(spec, name)).returncode == 0
    assert 2 + LONGEST + names.LONGEST_COMPONENT == names.MAX_WORKLOAD_NAME


# Secrets


def at(path: str, value: Any) -> Object:
    """``a.b`` → ``{"a": {"b": value}}``."""
    for step in reversed(path.split(".")):
        value = {step: value}
    return {"variables": value}


SECRET_PATHS = tuple(
    f"{variable}.{path}"
    for variable, paths in secret_variables.SECRET_PATHS.items()
    for path in paths
)
SECRETS = (*secret_variables.SECRET_VARIABLES, *SECRET_PATHS)


def test_known_secrets_cover_both_vocabularies() -> None:
    assert {
        "REGISTER_ADMIN_KEY",
        "REGISTER_ADMIN_KEY_1",
        "MAIL_SMTP_PASS",
        "EMAIL_SMTP_SETTINGS.auth.pass",
        "MFA_ENDPOINTS.verify.headers.authorization",
    } <= set(SECRETS)


@pytest.mark.parametrize(
    "path", [SECRETS[0], *(pytest.param(path, marks=pytest.mark.long) for path in SECRETS[1:])]
)
@pytest.mark.parametrize("verb", ["create", "apply", "server-side apply"])
def test_kubectl_does_not_print_a_literal_secret(
    cluster: ControlPlane, room: str, path: str, verb: str
) -> None:
    command = ("apply", "--server-side") if verb == "server-side apply" else (verb,)
    answer = cluster.kubectl(
        *command,
        "-n",
        room,
        "--dry-run=server",
        "-f-",
        stdin=platform(at(path, CANARY)),
        check=False,
    )
    assert answer.returncode != 0
    assert f"{path} is a secret and must not be in spec.variables" in answer.stderr
    assert CANARY not in answer.stdout + answer.stderr


@pytest.mark.parametrize("path", SECRETS)
@pytest.mark.parametrize("apply", [False, True], ids=["create", "server-side apply"])
def test_literal_secret_is_rejected_and_not_printed(
    cluster: ControlPlane, room: str, path: str, apply: bool
) -> None:
    answer = dry_run(cluster, room, platform(at(path, CANARY)), apply=apply)
    assert answer.returncode != 0
    assert f"{path} is a secret and must not be in spec.variables" in answer.stderr
    assert f"spec.secrets ({path}: {{secretKeyRef: {{name: …, key: …}}}})" in answer.stderr
    assert f"spec.variables.{path}: Invalid value" in answer.stderr
    assert CANARY not in answer.stderr


@pytest.mark.parametrize("path", SECRETS)
@pytest.mark.parametrize(
    "value",
    [[CANARY], {"value": CANARY}, CANARY * 1000, 48151623421337],
    ids=["list", "object", "long", "number"],
)
def test_literal_secret_of_another_type_is_rejected_and_not_printed(
    cluster: ControlPlane, room: str, path: str, value: Any
) -> None:
    answer = dry_run(cluster, room, platform(at(path, value)))
    assert answer.returncode != 0
    assert f"spec.variables.{path}" in answer.stderr
    assert CANARY not in answer.stderr
    assert "48151623421337" not in answer.stderr


@pytest.mark.parametrize("path", SECRET_PATHS)
def test_object_with_a_secret_cannot_be_replaced_by_text(
    cluster: ControlPlane, room: str, path: str
) -> None:
    answer = dry_run(cluster, room, platform(at(path.rpartition(".")[0], CANARY)))
    assert "must be of type object" in answer.stderr
    assert CANARY not in answer.stderr


URLS = {
    "EMAIL_SMTP_SETTINGS.url": f"smtps://me:{CANARY}@smtp.acme.test",
    "EMAIL_SMTP_SETTINGS.proxy": f"socks5://me:{CANARY}@proxy.acme.test:1080",
    "MFA_ENDPOINTS.verify.url": f"https://sms.acme.test/?to={{{{ to }}}}&apiKey={CANARY}",
    "MFA_ENDPOINTS.single.url": f"https://me:{CANARY}@sms.acme.test/",
}


@pytest.mark.parametrize(("path", "url"), URLS.items(), ids=URLS)
def test_url_with_a_credential_is_rejected_and_not_printed(
    cluster: ControlPlane, room: str, path: str, url: str
) -> None:
    answer = dry_run(cluster, room, platform(at(path, url)))
    assert f"spec.variables.{path}: Invalid value" in answer.stderr
    assert f"{path} holds a credential" in answer.stderr
    assert CANARY not in answer.stderr


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("EMAIL_SMTP_SETTINGS.url", "smtps://me@smtp.acme.test:465/?pool=true"),
        ("MFA_ENDPOINTS.verify.url", "https://sms.acme.test/?to={{ to }}&token={{ code }}"),
    ],
)
def test_url_without_a_credential_is_admitted(
    cluster: ControlPlane, room: str, path: str, url: str
) -> None:
    assert dry_run(cluster, room, platform(at(path, url))).returncode == 0


def test_all_literal_secrets_are_reported_at_once(cluster: ControlPlane, room: str) -> None:
    answer = dry_run(
        cluster,
        room,
        platform({"variables": dict.fromkeys(secret_variables.SECRET_VARIABLES, CANARY)}),
    )
    assert all(f"{name} is a secret" in answer.stderr for name in secret_variables.SECRET_VARIABLES)


def test_the_word_secret_is_admitted(cluster: ControlPlane, room: str) -> None:
    variables: Object = dict.fromkeys(secret_variables.SECRET_VARIABLES, secret_variables.GENERATE)
    variables["EMAIL_SMTP_SETTINGS"] = {
        "host": "smtp.acme.test",
        "auth": {"user": "acme", "pass": secret_variables.GENERATE},
    }
    variables["MFA_ENDPOINTS"] = {
        "verify": {"url": "https://sms.acme.test", "headers": {"authorization": ""}}
    }
    assert dry_run(cluster, room, platform({"variables": variables})).returncode == 0


@pytest.mark.parametrize("path", secret_variables.SECRET_VARIABLES)
def test_empty_secret_is_rejected(cluster: ControlPlane, room: str, path: str) -> None:
    assert f"{path} is a secret" in dry_run(cluster, room, platform(at(path, ""))).stderr


@pytest.mark.parametrize("header", ["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"])
def test_private_key_among_certificates_is_rejected_and_not_printed(
    cluster: ControlPlane, room: str, header: str
) -> None:
    bundle = f"{CERTIFICATE}-----BEGIN {header}-----\n{CANARY}\n-----END {header}-----\n"
    answer = dry_run(cluster, room, platform({"tls": {"caBundle": bundle}}))
    assert "spec.tls.caBundle: Invalid value: must be one or more certificates" in answer.stderr
    assert CANARY not in answer.stderr


@pytest.mark.parametrize(
    "source",
    [CANARY, [CANARY], {"generate": CANARY}, {"secretKeyRef": CANARY}],
    ids=["text", "list", "generate", "ref"],
)
def test_secret_in_place_of_its_source_is_not_printed(
    cluster: ControlPlane, room: str, source: Any
) -> None:
    answer = dry_run(cluster, room, platform(secret(source)))
    assert "must be of type object" in answer.stderr
    assert CANARY not in answer.stderr


# What is accepted

IMAGE = f"registry.example.com:5000/pryv/core:1.9.2@sha256:{'0123456789abcdef' * 4}"
EVERYTHING: Object = {
    "domain": DOMAIN,
    "release": "1.9.2",
    "variables": {"PLATFORM_NAME": "Acme", "MAX_UPLOAD_SIZE_MB": 20},
    "secrets": {
        "REGISTER_ADMIN_KEY": {"generate": {"rotation": 2}},
        "MAIL_SMTP_PASS": {
            "secretKeyRef": {"name": "smtp.acme", "key": "pass_word.txt", "trim": False}
        },
        "EMAIL_SMTP_SETTINGS.auth.pass": {"secretKeyRef": {"name": "smtp", "key": "password"}},
        "MFA_ENDPOINTS.verify.headers.authorization": {
            "secretKeyRef": {"name": "sms", "key": "token"}
        },
    },
    "tls": {
        "issuerRef": {"name": "acme", "kind": "ClusterIssuer", "group": "cert-manager.io"},
        "caBundle": CERTIFICATE,
    },
    "imageRegistry": "registry.example.com:5000/pryv/mirror",
    "imagePullSecrets": [{"name": "registry-login"}],
    "networkPolicy": False,
    "deletionPolicy": "Delete",
    "rollout": {
        "paused": True,
        "onFailure": "Rollback",
        "progressDeadlineSeconds": 900,
        "historyLimit": 3,
    },
    "stopped": True,
    "roles": {
        "reg-master": {
            "address": "203.0.113.10",
            "service": {
                "type": "LoadBalancer",
                "annotations": {"lb.example.com/kind": "network"},
                "loadBalancerClass": "example.com/lb",
                "loadBalancerSourceRanges": ["198.51.100.0/24", "2001:db8::/32"],
                "externalTrafficPolicy": "Local",
                "externalIPs": ["203.0.113.11", "203.0.113.12"],
                "mixedProtocols": True,
            },
            "tls": {"secretName": "reg-tls"},
            "components": {"reverse_proxy": {"replicas": 2}},
        },
        "core": {
            "instances": [
                {"name": "co1", "hosting": "geneva.ch_1", "address": "203.0.113.20"},
                {"name": "co2", "hosting": "zurich"},
                {"name": "co10"},
            ],
            "service": {"type": "NodePort", "externalTrafficPolicy": "Cluster"},
            "tls": {"secretName": "core-tls"},
            "components": {
                "core": {
                    "image": IMAGE,
                    "replicas": 0,
                    "env": [{"name": "NODE_OPTIONS", "value": "--max-old-space-size=2048"}],
                    "resources": {
                        "requests": {"cpu": 1, "memory": "1.5Gi"},
                        "limits": {"cpu": "1500m", "memory": "2e9"},
                    },
                    "nodeSelector": {"disk": "ssd"},
                    "tolerations": [
                        {"key": "health", "operator": "Exists", "effect": "NoSchedule"}
                    ],
                    "affinity": {"nodeAffinity": {"any": ["thing", {"deep": None}]}},
                    "topologySpreadConstraints": [
                        {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
                    ],
                    "priorityClassName": "system-cluster-critical",
                    "annotations": {"example.com/note": "a b"},
                    "labels": {"team": "health"},
                },
                "mongodb": {"storage": {"size": "100Gi", "storageClassName": "fast"}},
                "influxdb": {"storage": {"existingClaim": "old-influx"}},
            },
        },
        "static": {
            "address": "203.0.113.30",
            "service": {"type": "ClusterIP"},
            "tls": {"secretName": "sw-tls"},
            "components": {"nginx": {"image": "nginx"}},
        },
        "reg-slave": {},
    },
}


def test_five_lines_are_enough(cluster: ControlPlane, room: str) -> None:
    document = "\n".join(
        (
            f"apiVersion: {keys.API_VERSION}",
            f"kind: {keys.KIND}",
            "metadata: {name: acme}",
            "spec:",
            f"  domain: {DOMAIN}",
        )
    )
    assert dry_run(cluster, room, document).returncode == 0


def test_sample_is_admitted(cluster: ControlPlane, room: str) -> None:
    sample = yaml.safe_load(SAMPLE_FILE.read_text())
    del sample["metadata"]["namespace"]
    assert dry_run(cluster, room, json.dumps(sample)).returncode == 0


def test_admitted_spec_is_stored_unchanged(cluster: ControlPlane, namespace: str) -> None:
    """Without defaults or pruning; and the models read all of it."""
    cluster.kubectl(
        "create", "-n", namespace, "--validate=strict", "-f-", stdin=platform(EVERYTHING)
    )
    stored = PlatformUser(cluster, namespace).get("pryv", "acme")
    assert stored["spec"] == EVERYTHING
    assert (
        PryvPlatformSpec.model_validate(stored["spec"]).model_dump(
            by_alias=True, exclude_unset=True
        )
        == EVERYTHING
    )


FILES = [
    {
        "role": "core",
        "configMapRef": {"name": "mine"},
        "items": [{"key": "a.yml", "path": "core/conf/core.yml.j2"}],
    }
]
ARCHIVE = {"archive": {"configMapKeyRef": {"name": "received", "key": "archive.tgz"}}}
#: What cannot be combined with the above.
THE_REST: list[Object] = [
    register(
        externalSlave={
            "address": "198.51.100.7",
            "loadBalancerSourceRanges": ["198.51.100.7/32", "10.0.0.0/8", "2001:db8::/32"],
            "annotations": {"lb.example.com/scheme": "private"},
            "loadBalancerClass": "example.com/lb",
        }
    ),
    {"tls": {"secretName": "acme-tls"}},
    {"templates": {"files": FILES}},
    {"templates": ARCHIVE, "roles": {"singlenode": {}}},
    {"templates": {"archive": {"secretKeyRef": {"name": "received", "key": "archive.tgz"}}}},
]


def test_full_spec_has_every_field() -> None:
    seen: dict[str, dict[str, bool]] = {}

    def visit(value: Any) -> None:
        if hasattr(type(value), "model_fields"):
            fields = seen.setdefault(
                type(value).__name__, dict.fromkeys(type(value).model_fields, False)
            )
            for name in type(value).model_fields:
                fields[name] = fields[name] or getattr(value, name) is not None
                visit(getattr(value, name))
        elif isinstance(value, dict):
            for child in value.values():
                visit(child)
        elif isinstance(value, list):
            for child in value:
                visit(child)

    visit(PryvPlatformSpec.model_validate(EVERYTHING))
    for other in THE_REST:
        visit(PryvPlatformSpec.model_validate({"domain": DOMAIN, **other}))
    assert not [
        f"{model}.{name}"
        for model, fields in seen.items()
        for name, is_set in fields.items()
        if not is_set
    ]


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"domain": "a.b"}, id="shortest-domain"),
        pytest.param({"domain": f"{'a' * 63}.xn--p1ai"}, id="longest-label"),
        pytest.param({"domain": "1.pryv.acme-health.test"}, id="label-of-digits"),
        pytest.param(cores("co1", "co10", "co2"), id="names-that-begin-alike"),
        pytest.param(cores("eu-1", "eu-2"), id="names-with-hyphens"),
        pytest.param({"tls": {}}, id="empty-tls"),
        pytest.param({"roles": {}}, id="no-roles"),
        pytest.param(component(image="localhost:5000/a/b_c__d-e.f:x"), id="image"),
        pytest.param(component(storage={"size": 0, "storageClassName": ""}), id="no-storage-class"),
        pytest.param({"imageRegistry": "localhost:5000"}, id="registry-port"),
        *(pytest.param(each, id=f"other-{index}") for index, each in enumerate(THE_REST)),
    ],
)
def test_admitted_variants(cluster: ControlPlane, room: str, spec: Object) -> None:
    answer = dry_run(cluster, room, platform(spec))
    assert answer.returncode == 0, answer.stderr


VARIABLES: Object = {
    "TEXT": "Prüf ünïcode ✓ {{ not.a.template }} $HOME \\ \"quotes\" 'single'\nline\n",
    "EMPTY": "",
    "WORD": "no",
    "DIGITS": "007",
    "INTEGER": 9007199254740993,
    "NEGATIVE": -1,
    "FRACTION": 1.25,
    "YES": True,
    "NO": False,
    "LIST": [1, "two", [3.5, []], {"four": 4}, None, False],
    "OBJECT": {"z": {"y": {"x": [{}]}}, "a b": 1, "": "empty", "dots.and-dashes": {"/": "*"}},
    "EMPTY_OBJECT": {},
    "EMPTY_LIST": [],
    "lower_case.and-anything else": "works",
    "HOSTINGS_AND_CORES": {"hosting1": {"co1": {"ip": "192.0.2.1"}}},
}


@pytest.mark.parametrize(
    "verb", [("create",), ("apply",), ("apply", "--server-side")], ids=" ".join
)
def test_variables_preserve_any_json_value(
    cluster: ControlPlane, namespace: str, verb: tuple[str, ...]
) -> None:
    cluster.kubectl(*verb, "-n", namespace, "-f-", stdin=platform({"variables": VARIABLES}))
    stored = PlatformUser(cluster, namespace).get("pryv", "acme")["spec"]["variables"]
    assert stored == VARIABLES
    assert [(name, type(value)) for name, value in sorted(stored.items())] == [
        (name, type(value)) for name, value in sorted(VARIABLES.items())
    ]


def test_nulls_are_preserved_except_by_client_side_apply(
    cluster: ControlPlane, namespace: str
) -> None:
    """Why null is best expressed by omitting a variable."""
    variables = {"TOKENS": None, "OBJECT": {"kept": 1, "gone": None}}
    stored = []
    for name, *verb in (("a", "create"), ("b", "apply", "--server-side"), ("c", "apply")):
        cluster.kubectl(
            *verb, "-n", namespace, "-f-", stdin=platform({"variables": variables}, name)
        )
        stored.append(PlatformUser(cluster, namespace).get("pryv", name)["spec"]["variables"])
    assert stored == [variables, variables, {"OBJECT": {"kept": 1}}]


@pytest.mark.parametrize(
    "variables",
    [
        {"HOSTINGS_PROVIDERS": None, "NAME_SERVER_ENTRIES": None, "DNS_CUSTOM_ENTRIES": "null"},
        {"EMAIL_SMTP_SETTINGS": None, "MFA_ENDPOINTS": None},
        {"EMAIL_SMTP_SETTINGS": {"auth": None, "dkim": None}, "MFA_ENDPOINTS": {"verify": None}},
    ],
)
def test_objects_and_lists_may_be_null(
    cluster: ControlPlane, namespace: str, variables: Object
) -> None:
    document = platform({"variables": variables})
    cluster.kubectl("create", "-n", namespace, "-f-", stdin=document)
    stored = PlatformUser(cluster, namespace).get("pryv", "acme")["spec"]["variables"]
    assert stored == variables


def test_map_keys_are_returned_sorted(cluster: ControlPlane, namespace: str) -> None:
    """Why the operator does not know the order in which variables were written."""
    variables = {"B": 1, "A": 2, "a": 3}
    cluster.kubectl("create", "-n", namespace, "-f-", stdin=platform({"variables": variables}))
    text = cluster.kubectl("get", "-n", namespace, "pryv", "acme", "-o", "json").stdout
    assert list(json.loads(text)["spec"]["variables"]) == ["A", "B", "a"]


def test_unknown_fields_are_pruned_without_strict_validation(
    cluster: ControlPlane, namespace: str
) -> None:
    document = platform({"tls": {"secretname": "acme"}})
    answer = cluster.kubectl("create", "-n", namespace, "--validate=warn", "-f-", stdin=document)
    assert 'unknown field "spec.tls.secretname"' in answer.stderr
    stored = PlatformUser(cluster, namespace).get("pryv", "acme")
    assert stored["spec"]["tls"] == {}


# What kubectl shows


def explained(cluster: ControlPlane) -> Object:
    served = cluster.api.get(f"/openapi/v3/apis/{keys.API_VERSION}")
    schema: Object = served["components"]["schemas"][f"io.pryv.{keys.VERSION}.{keys.KIND}"]
    return schema


def test_every_field_has_a_description(cluster: ControlPlane) -> None:
    def fields(node: Object, path: str) -> Iterator[tuple[str, Object]]:
        for name, child in node.get("properties", {}).items():
            yield f"{path}.{name}", child
            yield from fields(child, f"{path}.{name}")
        for inner in ("items", "additionalProperties"):
            if isinstance(node.get(inner), dict):
                yield from fields(node[inner], path)

    served = dict(fields(explained(cluster), ""))
    assert ".spec.roles.core.components.storage.existingClaim" in served
    assert not [
        path for path, node in served.items() if path != ".metadata" and not node.get("description")
    ]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (
            "spec.roles.core.instances",
            "Removing one from the list retains its PersistentVolumeClaims",
        ),
        *(
            pytest.param(path, text, marks=pytest.mark.long)
            for path, text in {
                "spec": "The desired state of a platform",
                "spec.domain": "data are served at USERNAME.DOMAIN",
                "spec.variables": "Secrets are rejected",
                "spec.secrets": "are stored in Secrets",
                "spec.roles.reg-slave": "Runs only if present",
                "spec.roles.core.components.storage.size": "never shrink",
                "status.conditions": "Ready, Reconciling, Stalled",
            }.items()
        ),
    ],
)
def test_kubectl_explain(cluster: ControlPlane, path: str, text: str) -> None:
    explanation = cluster.kubectl("explain", f"pryvplatform.{path}").stdout
    assert text in " ".join(explanation.split())


@pytest.fixture(scope="module")
def ready_platform(cluster: ControlPlane) -> Iterator[str]:
    """The namespace of a ready platform and of another one; for tests that only read."""
    condition = {
        "type": "Ready",
        "status": "True",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "reason": "AllReady",
        "message": "All components are ready.",
    }
    status = {
        "observedGeneration": 1,
        "release": "1.9.2",
        "rolesReady": "3/3",
        "revision": 7,
        "conditions": [condition],
    }
    with new_namespace(cluster) as name:
        user = PlatformUser(cluster, name)
        user.replace_platform({"domain": DOMAIN, "release": "1.9.2"})
        user.replace_platform({"domain": "other.acme.test"}, "other")
        user.patch("pryvplatform", "acme", {"status": status}, subresource="status")
        yield name


def test_printer_columns(cluster: ControlPlane, ready_platform: str) -> None:
    heading, row = cluster.kubectl(
        "get", "-n", ready_platform, "pryvplatforms", "acme"
    ).stdout.splitlines()
    assert heading.split() == [
        "NAME",
        "DOMAIN",
        "RELEASE",
        "READY",
        "ROLES",
        "REVISION",
        "REASON",
        "CUT-OVER",
        "AGE",
    ]
    assert row.split()[:-1] == ["acme", DOMAIN, "1.9.2", "True", "3/3", "7", "AllReady"]


def test_wide_printer_columns(cluster: ControlPlane, ready_platform: str) -> None:
    heading, row = cluster.kubectl(
        "get", "-n", ready_platform, "pryv", "acme", "-o", "wide"
    ).stdout.splitlines()
    assert heading.split()[-1] == "MESSAGE"
    assert row.endswith("All components are ready.")


def test_kubectl_wait_for_a_platform(cluster: ControlPlane, ready_platform: str) -> None:
    cluster.kubectl(
        "wait", "-n", ready_platform, "--for=condition=Ready", "pryv/acme", "--timeout=10s"
    )


@pytest.mark.parametrize(
    "selector", [f"spec.domain={DOMAIN}", "spec.release=1.9.2", "spec.domain!=other.acme.test"]
)
def test_platforms_are_selected_by_field(
    cluster: ControlPlane, ready_platform: str, selector: str
) -> None:
    found = cluster.kubectl(
        "get", "-n", ready_platform, "pryv", f"--field-selector={selector}", "-o", "name"
    ).stdout
    assert found.split() == [f"pryvplatform.{keys.GROUP}/acme"]


def test_status_change_keeps_the_generation(cluster: ControlPlane, ready_platform: str) -> None:
    stored = PlatformUser(cluster, ready_platform).get("pryv", "acme")
    assert stored["metadata"]["generation"] == 1


# The CRD itself


def test_crd_can_be_applied_client_side(cluster: ControlPlane) -> None:
    """With its copy in the annotation of `kubectl apply`; in another group, so that it is new."""
    copy = CRD_FILE.read_text().replace(f"{keys.PLURAL}.{keys.GROUP}", f"{keys.PLURAL}.copy.test")
    copy = copy.replace(f"group: {keys.GROUP}\n", "group: copy.test\n")
    answer = cluster.kubectl("apply", "--dry-run=server", "-f-", stdin=copy)
    assert "created" in answer.stdout


@pytest.mark.long
def test_applying_the_crd_again_changes_nothing(cluster: ControlPlane) -> None:
    def version() -> str:
        return cluster.kubectl(
            "get", f"crd/{keys.PLURAL}.{keys.GROUP}", "-o", "jsonpath={.metadata.resourceVersion}"
        ).stdout

    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRD_FILE))
    before = version()
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRD_FILE))
    assert version() == before


def test_crd_has_no_warning_conditions(cluster: ControlPlane) -> None:
    stored = json.loads(
        cluster.kubectl("get", f"crd/{keys.PLURAL}.{keys.GROUP}", "-o", "json").stdout
    )
    conditions = {
        condition["type"]: condition["status"] for condition in stored["status"]["conditions"]
    }
    assert conditions["Established"] == "True"
    assert conditions["NamesAccepted"] == "True"
    assert conditions.get("NonStructuralSchema", "False") == "False"


EMPTIED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"roles": {"static": {"address": "203.0.113.2"}}}, {"roles": {"static": {}}}),
    ({"roles": {"static": {"address": "203.0.113.2"}}}, {"roles": {}}),
    ({"roles": {"reg-slave": {"address": "203.0.113.2"}}}, {"roles": {"reg-slave": {}}}),
    ({"roles": {"core": {"instances": [{"name": "co1"}]}}}, {"roles": {"core": {}}}),
    (
        {"roles": {"core": {"components": {"mfa": {"image": "x"}}}}},
        {"roles": {"core": {"components": {"mfa": {}}}}},
    ),
    (
        {"roles": {"core": {"service": {"type": "LoadBalancer"}}}},
        {"roles": {"core": {"service": {}}}},
    ),
    ({"variables": {"A": 1}}, {"variables": {}}),
    ({"secrets": {"A": {"generate": {}}}}, {"secrets": {}}),
    ({"tls": {"secretName": "x"}}, {"tls": {}}),
]


@pytest.mark.parametrize(("before", "after"), EMPTIED, ids=[str(after) for _, after in EMPTIED])
def test_map_can_be_emptied_by_server_side_apply(
    cluster: ControlPlane, namespace: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    """Server-side apply stores null for an emptied map; the models read it as an empty one."""
    for spec in (before, after):
        body = {
            "apiVersion": "pryv.io/v1alpha1",
            "kind": "PryvPlatform",
            "metadata": {"name": "acme", "namespace": namespace},
            "spec": {"domain": "pryv.acme.test", **spec},
        }
        PlatformUser(cluster, namespace).apply(body)
    stored = PlatformUser(cluster, namespace).get("pryvplatform", "acme")["spec"]
    found, written = (
        PryvPlatformSpec.model_validate(each)
        for each in (stored, {"domain": "pryv.acme.test", **after})
    )
    assert instances(found) == instances(written)
    assert (found.variables, found.secrets) == (written.variables, written.secrets)
