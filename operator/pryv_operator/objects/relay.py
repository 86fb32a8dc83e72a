"""The relay: a component reaches a store through a sidecar, which waits for it.

When a pod of redis is replaced, nothing accepts connections for some seconds. register and dns try
again after waits that grow without limit, so user names would stay unanswered long after redis is
back. And what they send to the address of a pod that is gone, with its node, is answered by nobody.
The sidecar accepts their connections at once, and passes them on as soon as redis accepts them.
"""

from __future__ import annotations

from pryv_operator.api.kubernetes import Object
from pryv_operator.objects.model import Relay
from pryv_operator.objects.sidecars import script, sidecar


def sidecar_of(relay: Relay, image: str) -> Object:
    """The sidecar. Its image has Node.js, as that of the component."""
    ports = [str(port) for port in relay.ports]
    command = ["node", "-e", script("relay.js"), relay.address, *ports]
    listens = ["grep", "-q", f":{relay.ports[-1]:04X} ", "/proc/net/tcp"]
    return sidecar(f"{relay.service}-relay", image, command, listens)
