"""The command ``pryv-operator``."""

from __future__ import annotations

import asyncio
import gc
import secrets
import socket
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from pryv_operator import __version__
from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.privileges import Privilege
from pryv_operator.cli import allocator, log, process, self_test
from pryv_operator.cli.dns_option import first_nameserver, server_address
from pryv_operator.cli.plain_options import plain_options
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.connection import CredentialsError
from pryv_operator.kube.credentials import read_in_cluster, read_kubeconfig
from pryv_operator.kube.lease import Election, Timing
from pryv_operator.kube.rate_limit import Rate
from pryv_operator.kube.transport import Sender
from pryv_operator.reconcile.rest_store import Place
from pryv_operator.reconcile.settings import Settings


class _Program(typer.Typer):
    """The program. ``run`` with plain options is called without typer's conversion of them."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Run the command that the process was started with."""
        words = [] if args or options else sys.argv[1:]
        values = plain_options(run, words[1:]) if words[:1] == ["run"] else None
        if values is not None:
            try:
                return run(**values)
            except typer.Exit as end:
                sys.exit(end.exit_code)
            except typer.BadParameter:
                pass  # nothing is started yet; typer reports it with the usage
        return super().__call__(*args, **options)


operator = _Program(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="The Pryv.io operator.",
)

_RESOLV_CONF: Final = Path("/etc/resolv.conf")
_OWN_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
#: Each is a Lease that every operator reads.
_MOST_SHARDS: Final = 16
#: The DNS Service's address in clusters of kubeadm, kind and many others.
_USUAL_CLUSTER_DNS: Final = "10.96.0.10"


class LogFormat(StrEnum):
    """Format of log lines."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """Least severe log lines that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@operator.callback()
def main() -> None:
    """The Pryv.io operator."""


@operator.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


operator.command("self-test")(self_test.self_test)


@operator.command()
def run(
    *,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="Kubeconfig file, to run outside of the cluster.")
    ] = None,
    context: Annotated[
        str | None,
        typer.Option(help="Context of that file; required when it has several."),
    ] = None,
    in_cluster: Annotated[
        bool, typer.Option("--in-cluster", help="Use the pod's ServiceAccount.")
    ] = False,
    namespace: Annotated[
        list[str] | None,
        typer.Option(help="Namespace to watch; may be repeated. Default: all."),
    ] = None,
    cluster_dns: Annotated[
        str | None,
        typer.Option(help="IP address of the cluster's DNS. Default: the pod's own resolver."),
    ] = None,
    listen: Annotated[
        str, typer.Option(help="Address of /healthz, /readyz and /metrics.")
    ] = "0.0.0.0:8080",
    metrics_auth: Annotated[
        bool,
        typer.Option(
            "--metrics-auth",
            help="Serve /metrics with TLS, to clients whose token the API server admits "
            "(get on the non-resource URL /metrics). Default: beside /healthz, to everybody.",
        ),
    ] = False,
    metrics_listen: Annotated[
        str, typer.Option(help="Address of /metrics with --metrics-auth.")
    ] = "0.0.0.0:8443",
    allow: Annotated[
        list[Privilege] | None,
        typer.Option(
            help="What PryvPlatforms may use beyond their namespace; may be repeated. "
            "Default: none of these."
        ),
    ] = None,
    batch_seconds: Annotated[
        float,
        typer.Option(min=0, help="Changes of a platform within so long are one reconciliation."),
    ] = 1.0,
    resync_seconds: Annotated[
        float,
        typer.Option(min=1, help="Every platform is checked so often for whether it has moved."),
    ] = 300.0,
    full_resync_seconds: Annotated[
        float,
        typer.Option(
            min=1, help="Every platform is reconciled about so often, whether it has moved or not."
        ),
    ] = 14400.0,
    leader_election: Annotated[
        bool | None,
        typer.Option(
            help="One of several operators leads, the others are on standby. "
            "Default: on with --in-cluster."
        ),
    ] = None,
    lease_name: Annotated[
        str, typer.Option(help="Name of the Lease for leader election.")
    ] = keys.FIELD_MANAGER,
    lease_namespace: Annotated[
        str | None,
        typer.Option(
            help="Namespace of the Lease, and of what is kept over a restart. "
            "Default: the pod's own."
        ),
    ] = None,
    lease_seconds: Annotated[
        int,
        typer.Option(
            min=2, help="Duration of the lease: a standby replaces a dead leader within it."
        ),
    ] = 15,
    lease_retry_seconds: Annotated[
        float, typer.Option(min=0.05, help="How often a standby reads the Lease.")
    ] = 0.5,
    shards: Annotated[
        int,
        typer.Option(
            min=1,
            max=_MOST_SHARDS,
            help="Namespaces are divided into so many shards, which the operators with this "
            "Lease share. The same for all of them. Default: one operator leads everything.",
        ),
    ] = 1,
    kube_api_qps: Annotated[
        float,
        typer.Option(
            min=0,
            help="Requests to the API server each second, but watches and those for the Lease. "
            "0: no limit. A Retry-After of the API server is respected in any case.",
        ),
    ] = 1000.0,
    kube_api_burst: Annotated[
        int, typer.Option(min=1, help="Requests that may be sent at once after a quiet time.")
    ] = 2000,
    log_format: Annotated[LogFormat, typer.Option(help="Format of log lines.")] = LogFormat.TEXT,
    log_level: Annotated[
        LogLevel, typer.Option(help="Least severe log lines that are written.")
    ] = LogLevel.INFO,
) -> None:
    """Run the operator until SIGTERM or Ctrl-C."""
    if in_cluster == (kubeconfig is not None):
        raise typer.BadParameter(
            "no cluster selected, or two; pass either --kubeconfig FILE or --in-cluster"
        )
    host, port = _address("--listen", listen)
    elected = in_cluster if leader_election is None else leader_election
    if shards > 1 and not elected:
        raise typer.BadParameter("--shards: needs leader election; pass --leader-election")
    timing = Timing(lease_seconds, lease_retry_seconds)
    log.configure(log_format.value, log_level.value)
    options = process.Options(
        namespaces=tuple(sorted(set(namespace or ()))),
        host=host,
        port=port,
        metrics_address=_address("--metrics-listen", metrics_listen) if metrics_auth else None,
        batch_seconds=batch_seconds,
        settings=Settings(
            cluster_dns=_cluster_dns(cluster_dns, in_cluster=in_cluster),
            resync_seconds=resync_seconds,
            full_resync_seconds=full_resync_seconds,
            allowed=frozenset(allow or ()),
        ),
        election=Election(
            _lease_namespace(lease_namespace, in_cluster=in_cluster),
            lease_name,
            _identity(),
            timing,
        )
        if elected
        else None,
        shards=shards,
        rests=_rests(lease_namespace, lease_name, in_cluster=in_cluster),
    )
    allocator.configure()
    # A collection stops all threads. What is loaded by now stays, so it need not be looked through.
    gc.freeze()
    sender = Sender(rate=Rate(kube_api_qps, kube_api_burst))
    if not asyncio.run(_run(kubeconfig, context, options, sender)):
        raise typer.Exit(1)


async def _run(
    path: Path | None, context: str | None, options: process.Options, sender: Sender
) -> bool:
    try:
        connection = read_in_cluster() if path is None else await read_kubeconfig(path, context)
        leadership = options.leadership()
        opened = KubeClient(connection, leadership, sender)  # reads certificates and keys
    except (CredentialsError, OSError) as error:
        raise typer.BadParameter(f"credentials of the cluster cannot be read: {error}") from None
    allocator.bound_threads()
    async with opened as client:
        return await process.run(client, leadership, options)


def _address(option: str, text: str) -> tuple[str, int]:
    """Host and port of an address to listen at."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise typer.BadParameter(f'{option}: "{text}" is not ADDRESS:PORT')
    return host.strip("[]"), int(port)


def _identity() -> str:
    """The pod's name with a random suffix: an identity is never used twice."""
    return f"{socket.gethostname()}_{secrets.token_hex(4)}"


def _rests(namespace: str | None, name: str, *, in_cluster: bool) -> Place | None:
    """Where it is kept which platforms are at rest; None: the operator has no namespace."""
    if in_cluster or namespace:
        return Place(_lease_namespace(namespace, in_cluster=in_cluster), name)
    return None


def _lease_namespace(configured: str | None, *, in_cluster: bool) -> str:
    if configured:
        return configured
    if not in_cluster:
        raise typer.BadParameter(
            "--leader-election: no namespace known outside of a pod; pass --lease-namespace"
        )
    try:
        return _OWN_NAMESPACE.read_text().strip()
    except OSError as error:
        raise typer.BadParameter(f"credentials of the cluster cannot be read: {error}") from None


def _cluster_dns(configured: str | None, *, in_cluster: bool) -> str:
    """The DNS server for nginx: as configured, else the pod's own, else the usual one."""
    if configured:
        return server_address(configured)
    found = first_nameserver(_RESOLV_CONF) if in_cluster and _RESOLV_CONF.exists() else None
    return found or _USUAL_CLUSTER_DNS
