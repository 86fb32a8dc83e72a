"""What components read from others once, when they start: a change of it restarts them.

Which components do is in their profiles. Where from is in their rendered files: register may be in
the same instance (single-node), in reg-master, or outside of the platform.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from pryv_operator.api import names
from pryv_operator.objects.model import BootInputs, Component, File
from pryv_operator.objects.profiles import BootAnswer

_DIGEST_CHARACTERS: Final = 16
#: Roles whose register answers to names under DOMAIN. A reg-slave is a stand-by.
_PUBLIC: Final = (names.REG_MASTER, names.SINGLE_NODE)


def with_boot_inputs(components: Iterable[Component]) -> tuple[Component, ...]:
    """The components, each with what it reads from another one of the platform when it starts."""
    listed = tuple(components)
    digests = {
        each.name: _digest(each, each.profile.answers) for each in listed if each.profile.answers
    }
    providers = [each for each in listed if digests.get(each.name)]
    #: By role and service: instances of a role share their files.
    hosts: dict[tuple[str, str], frozenset[str]] = {}

    def boot_inputs(component: Component) -> BootInputs | None:
        if not providers or not component.profile.reads:
            return None
        key = (component.instance.role, component.service.name)
        if key not in hosts:
            hosts[key] = _hosts(component, component.profile.reads)
        provider = _provider(component, hosts[key], providers)
        return BootInputs(provider.name, digests[provider.name]) if provider else None

    return tuple(
        replace(each, boot_inputs=found) if (found := boot_inputs(each)) else each
        for each in listed
    )


def _hosts(component: Component, answer: BootAnswer) -> frozenset[str]:
    """The hosts that a component's files say to read an answer from."""
    url = re.compile(rf"https?://([\w.-]+)(?::\d{{1,5}})?{re.escape(answer.path)}\b")
    return frozenset(host for file in component.files for host in url.findall(file.visible))


def _provider(
    component: Component, hosts: Iterable[str], providers: Iterable[Component]
) -> Component | None:
    """The component of the platform that answers as one of the hosts."""
    domain = f".{component.platform.spec.domain}"
    for host in sorted(hosts):
        for each in providers:
            if each.profile.answers != component.profile.reads:
                continue
            aliases = component.compose.names_of(each.service, component.service)
            if each.instance == component.instance and host in (each.service.name, *aliases):
                return each
            if host.endswith(domain) and each.instance.role in _PUBLIC:
                return each
    return None


def _digest(component: Component, answer: BootAnswer) -> str:
    """A digest of what a component answers; empty if the file that says it is not known.

    A plain hash, as the answer is public. Secrets do not count: the text is masked.
    """
    answers = [
        _answer(file, answer)
        for file in component.files
        if file.path.rpartition("/")[2] == answer.file
    ]
    if not answers:
        return ""
    return hashlib.sha256(json.dumps(answers).encode()).hexdigest()[:_DIGEST_CHARACTERS]


def _answer(file: File, answer: BootAnswer) -> str:
    """What of a file the answer is made from.

    If it is not a JSON object, that is not known, so it is the whole text; but nothing of one that
    may be a secret.
    """
    text = "" if file.secret else file.text
    try:
        settings = json.loads(file.visible.removeprefix("\ufeff"), parse_int=float)
        if not isinstance(settings, Mapping):
            return text
        return json.dumps([_value_at(settings, key) for key in answer.keys], sort_keys=True)
    except (ValueError, RecursionError):
        return text


def _value_at(settings: Any, key: Iterable[str]) -> Any:
    for name in key:
        settings = settings.get(name) if isinstance(settings, Mapping) else None
    return settings
