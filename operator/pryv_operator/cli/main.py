"""``pryv-operator``."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import socket
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException

from pryv_operator import __version__
from pryv_operator.api import labels_annotations as keys
from pryv_operator.cli import log, process
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.credentials import read_in_cluster, read_kubeconfig
from pryv_operator.kube.lease import Election, Timing
from pryv_operator.reconcile.reconciler import Settings

operator = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="The Pryv.io operator.",
)

_RESOLV_CONF: Final = Path("/etc/resolv.conf")
_OWN_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
#: What kubeadm, kind and many others give the cluster's DNS Service.
_USUAL_CLUSTER_DNS: Final = "10.96.0.10"


class LogFormat(StrEnum):
    """How log lines look."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """Which log lines there are."""

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


@operator.command()
def run(
    *,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="Kubeconfig file, to run outside of the cluster.")
    ] = None,
    context: Annotated[
        str | None,
        typer.Option(help="Context of that file; only where there is one may it be left out."),
    ] = None,
    in_cluster: Annotated[
        bool, typer.Option("--in-cluster", help="Use the pod's ServiceAccount.")
    ] = False,
    namespace: Annotated[
        list[str] | None,
        typer.Option(help="Namespace to watch; may be repeated. All when left out."),
    ] = None,
    cluster_dns: Annotated[
        str | None,
        typer.Option(help="IP address of the cluster's DNS; the pod's own resolver when left out."),
    ] = None,
    listen: Annotated[
        str, typer.Option(help="Address of /healthz, /readyz and /metrics.")
    ] = "0.0.0.0:8080",
    gather_seconds: Annotated[
        float, typer.Option(min=0, help="How long changes of a platform are gathered into one.")
    ] = 1.0,
    resync_seconds: Annotated[
        float, typer.Option(min=1, help="How often every platform is looked at anyway.")
    ] = 300.0,
    leader_election: Annotated[
        bool | None,
        typer.Option(
            help="Let one of several operators work, and the others stand by. On with --in-cluster."
        ),
    ] = None,
    lease_name: Annotated[
        str, typer.Option(help="Name of the Lease that they agree by.")
    ] = keys.FIELD_MANAGER,
    lease_namespace: Annotated[
        str | None, typer.Option(help="Its namespace; the pod's own when left out.")
    ] = None,
    lease_seconds: Annotated[
        int,
        typer.Option(
            min=2, help="Within so long, another one takes over from a leader that is gone."
        ),
    ] = 15,
    lease_retry_seconds: Annotated[
        float, typer.Option(min=0.05, help="How often the others look at the Lease.")
    ] = 0.5,
    log_format: Annotated[
        LogFormat, typer.Option(help="Log lines for people or for machines.")
    ] = LogFormat.TEXT,
    log_level: Annotated[
        LogLevel, typer.Option(help="Least severe log lines to write.")
    ] = LogLevel.INFO,
) -> None:
    """Run the operator until it is told to stop (SIGTERM, Ctrl-C)."""
    if in_cluster == (kubeconfig is not None):
        raise typer.BadParameter("say which cluster: either --kubeconfig FILE or --in-cluster")
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        raise typer.BadParameter("--listen is ADDRESS:PORT")
    elected = in_cluster if leader_election is None else leader_election
    timing = Timing(lease_seconds, lease_retry_seconds)
    log.configure(log_format.value, log_level.value)
    options = process.Options(
        namespaces=tuple(sorted(set(namespace or ()))),
        host=host.strip("[]"),
        port=int(port),
        gather_seconds=gather_seconds,
        settings=Settings(
            cluster_dns=_cluster_dns(cluster_dns, in_cluster=in_cluster),
            resync_seconds=resync_seconds,
        ),
        election=Election(
            _lease_namespace(lease_namespace, in_cluster=in_cluster),
            lease_name,
            _identity(),
            timing,
        )
        if elected
        else None,
    )
    if not asyncio.run(_run(kubeconfig, context, options)):
        raise typer.Exit(1)


async def _run(path: Path | None, context: str | None, options: process.Options) -> bool:
    try:
        configuration: Configuration = (
            read_in_cluster() if path is None else await read_kubeconfig(path, context)
        )
    except (ConfigException, OSError) as error:
        raise typer.BadParameter(f"the cluster's credentials cannot be read: {error}") from None
    leadership = options.leadership()
    async with KubeClient(configuration, leadership) as client:
        return await process.run(client, leadership, options)


def _identity() -> str:
    """The pod's name, and something that a pod of the same name never has again."""
    return f"{socket.gethostname()}_{secrets.token_hex(4)}"


def _lease_namespace(wanted: str | None, *, in_cluster: bool) -> str:
    if wanted:
        return wanted
    if not in_cluster:
        raise typer.BadParameter("--leader-election needs --lease-namespace outside of a pod")
    try:
        return _OWN_NAMESPACE.read_text().strip()
    except OSError as error:
        raise typer.BadParameter(f"the cluster's credentials cannot be read: {error}") from None


def _cluster_dns(wanted: str | None, *, in_cluster: bool) -> str:
    """The DNS server that nginx is to ask: what is said, else what this pod itself was given, else the usual one."""
    if wanted:
        try:
            return str(ipaddress.ip_address(wanted))
        except ValueError:
            raise typer.BadParameter("--cluster-dns is an IP address") from None
    if in_cluster and _RESOLV_CONF.exists():
        for line in _RESOLV_CONF.read_text().splitlines():
            if line.startswith("nameserver "):
                return line.split()[1]
    return _USUAL_CLUSTER_DNS
