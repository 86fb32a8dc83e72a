"""The audit trail: what a component writes to syslog becomes the output of a container of its own.

core writes a record of each API call to syslog, and a record that it cannot deliver ends the
process (Pryv's service-core, ``components/audit/src/syslog/Syslog.js``: nothing handles the error
of the transport). A pod has no syslog, so a sidecar takes its place, in one of two ways:

- by UDP on the pod's loopback, where the compose file asks for it (``x-pryv-audit-port``). A record
  that is sent while the listener restarts is lost, and nothing else happens;
- by a Unix socket, where the compose file mounts one of the host, as Pryv's do.
"""

from __future__ import annotations

from typing import Final

from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.compose.model import Service
from pryv_operator.objects.sidecars import script, sidecar

#: Bytes of a record, at most: a UDP datagram is smaller.
LIMIT: Final = 65536
_CONTAINER: Final = "audit"
_VOLUME: Final = "audit-socket"
#: The folder is mounted, and not the socket: a mounted socket would not survive its listener.
_FOLDER: Final = "/run/pryv-audit"
#: Perl is in every Debian and Ubuntu image (perl-base is essential), which Pryv's are. Node.js has
#: no Unix datagram sockets. An image without Perl starts as it did without a socket.
_SOCKET_LISTENER: Final = f"""\
if command -v perl >/dev/null; then exec perl -e "$0" {_FOLDER} {LIMIT}; fi
echo "audit: no perl in the image: records sent to syslog are lost" >&2
: >{_FOLDER}/started
trap 'exit 0' TERM
while :; do sleep 3600 & wait $!; done
"""


def sidecars(service: Service, image: str) -> list[Object]:
    """The listeners of a component: native sidecars, so they listen before it starts."""
    found: list[Object] = []
    if service.audit_port:
        found.append(_udp_sidecar(service, image, service.audit_port))
    if _targets(service):
        found.append(_socket_sidecar(service, image))
    return found


def volumes(service: Service) -> list[Object]:
    """The volume that holds the socket."""
    return [{"name": _VOLUME, "emptyDir": {"sizeLimit": "1Mi"}}] if _targets(service) else []


def volume_mounts(service: Service) -> list[Object]:
    """Where the component and its listener mount the folder of the socket."""
    return [{"name": _VOLUME, "mountPath": _FOLDER}] if _targets(service) else []


def post_start(service: Service) -> Object | None:
    """The hook that puts a link to the socket where the component looks for it.

    It runs beside the start of the container, which is early enough: core's transport names the
    path with each record that it sends, and sends the first one when it serves (npm winston-syslog
    2.7, ``connectDgram``). A component whose user may not write there starts nevertheless.
    """
    targets = _targets(service)
    if not targets:
        return None
    links = "\n".join(
        f'mkdir -p "${{{index}%/*}}/" && ln -sfn {_FOLDER}/log "${{{index}}}"'
        for index in range(1, len(targets) + 1)
    )
    script = f"{links}\n:"
    return {"exec": {"command": ["/bin/sh", "-c", script, "audit", *targets]}}


def _targets(service: Service) -> list[str]:
    """The paths at which a component looks for the syslog socket."""
    return list(dict.fromkeys(mount.target for mount in service.mounts if mount.is_syslog))


def _udp_sidecar(service: Service, image: str, port: int) -> Object:
    command = ["node", "-e", script("audit_udp.js"), str(port), str(LIMIT)]
    listens = ["grep", "-q", f":{port:04X} ", "/proc/net/udp"]
    return sidecar(_container_name(service), image, command, listens)


def _socket_sidecar(service: Service, image: str) -> Object:
    name = _VOLUME if service.audit_port else _container_name(service)
    command = ["/bin/sh", "-c", _SOCKET_LISTENER, script("audit_socket.pl")]
    started = ["test", "-e", f"{_FOLDER}/started"]
    return sidecar(name, image, command, started) | {"volumeMounts": volume_mounts(service)}


def _container_name(service: Service) -> str:
    """``audit``, unless the component itself has this name."""
    return f"{_CONTAINER}-log" if names.slug(service.name) == _CONTAINER else _CONTAINER
