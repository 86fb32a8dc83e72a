"""What register and dns, which are one program, cannot use in register.json and dns.json.

Source: service-register, ``src/config.js`` (what it refuses when it starts),
``src/dns/server_for_name.js``, ``src/dns/ndns-wrapper.js`` and ``src/dns/ndns.js`` (records).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pryv_operator.leader.json_value import is_number
from pryv_operator.rendering.fault import Effect, Fault

_URL: Final = re.compile(r"https?://[a-zA-Z0-9.-]+")
_LABEL: Final = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST: Final = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")
#: A TXT record has one string: its length is one byte, counted in characters.
_MAX_TXT: Final = 255
_MIN_TOKEN, _MAX_TOKEN = 5, 99
_NO_START: Final = "otherwise register and dns do not start"


def register_faults(settings: Any) -> Iterator[Fault]:
    """The faults of a rendered register.json or dns.json, given as a JSON value."""
    if not isinstance(settings, Mapping):
        return
    net, dns = _map(settings.get("net")), _map(settings.get("dns"))
    yield from _providers(_map(net.get("providers")), _map(net.get("hostings")))
    yield from _invitation_tokens(settings.get("invitationTokens"))
    yield from _mx_records(dns.get("mail"))
    if "domain_A" in dns:
        yield from _root_address(dns["domain_A"])
    yield from _texts("DNS_ROOT_TXT_ARRAY", (), _map(dns.get("rootTXT")).get("description"))
    yield from _custom_entries(dns.get("customEntries"))


def _providers(providers: Mapping[str, Any], hostings: Mapping[str, Any]) -> Iterator[Fault]:
    """Only the providers of hostings in use are read."""
    for name, provider in providers.items():
        url = _map(provider).get("url")
        if provider is not None and not (isinstance(url, str) and _URL.fullmatch(url)):
            yield Fault(
                "HOSTINGS_PROVIDERS",
                (name, "url"),
                "must be http:// or https:// and a host name, without port, path and final "
                f"slash, {_NO_START}; correct it",
                Effect.STOPS if name in hostings else Effect.IGNORED,
            )


def _invitation_tokens(tokens: Any) -> Iterator[Fault]:
    if not isinstance(tokens, (list, type(None))):
        yield Fault(
            "INVITATION_TOKENS", (), f"must be a list, {_NO_START}; correct it", Effect.STOPS
        )
    for index, token in enumerate(tokens if isinstance(tokens, list) else []):
        if not isinstance(token, str) or not _MIN_TOKEN <= _length(token) <= _MAX_TOKEN:
            yield Fault(
                "INVITATION_TOKENS",
                (index,),
                f"must be a string of {_MIN_TOKEN} to {_MAX_TOKEN} characters, {_NO_START}; "
                "correct it",
                Effect.STOPS,
            )


def _mx_records(records: Any) -> Iterator[Fault]:
    for index, record in enumerate(records if isinstance(records, list) else []):
        for key, message in _mx_record(record):
            yield Fault(
                "DNS_MX_RECORDS",
                (index, *key),
                f"{message}, {_NO_START}; correct it",
                Effect.STOPS,
            )


def _mx_record(record: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    if not isinstance(record, Mapping):
        yield (), "must be an object with name and priority"
        return
    name, ip = record.get("name"), record.get("ip")
    if not isinstance(name, str) or not _HOST.fullmatch(name):
        yield ("name",), "must be a host name (letters, digits, '-' and '.'), without a final dot"
    if ip is not None and not _is_ipv4(ip):
        yield ("ip",), "must be an IPv4 address"
    if not is_number(record.get("priority")):
        yield ("priority",), "must be a number"


def _root_address(address: Any) -> Iterator[Fault]:
    if not _is_ipv4(address):
        yield Fault(
            "DNS_ROOT_DOMAIN_A_RECORD",
            (),
            "must be an IPv4 address, otherwise dns answers with another one; correct it",
            Effect.MISLEADS,
        )


def _custom_entries(entries: Any) -> Iterator[Fault]:
    """Names are looked for in lower case; of a record dns knows the kinds below."""
    for name, record in _map(entries).items():
        if name != name.lower():
            yield _entry((name,), "must be in lower case, otherwise dns never finds it")
        if record is None:
            continue
        if not isinstance(record, Mapping):
            yield _entry((name,), "must be an object such as {ip: 192.0.2.1}")
            continue
        for kind, value in record.items():
            check = _KINDS.get(kind.lower())
            if check is not None:
                yield from check((name, kind), value)
            else:
                yield Fault(
                    "DNS_CUSTOM_ENTRIES",
                    (name, kind),
                    f"dns knows no such record and ignores it (known: {', '.join(_KINDS)}); "
                    "remove it",
                    Effect.IGNORED,
                )


def _entry(path: tuple[str | int, ...], message: str) -> Fault:
    return Fault("DNS_CUSTOM_ENTRIES", path, f"{message}; correct it", Effect.MISLEADS)


def _addresses(path: tuple[str | int, ...], value: Any) -> Iterator[Fault]:
    for place, address in _each(path, value):
        if not _is_ipv4(address):
            yield _entry(place, "must be an IPv4 address, or a list of them")


def _descriptions(path: tuple[str | int, ...], value: Any) -> Iterator[Fault]:
    yield from _texts("DNS_CUSTOM_ENTRIES", path, value)


def _named(path: tuple[str | int, ...], value: Any) -> Iterator[Fault]:
    """Records of other names: aliases, mail servers, name servers."""
    for place, target in _each(path, value):
        if not isinstance(target, Mapping):
            yield _entry(place, "must be an object such as {name: www.example.com}")
            continue
        if not isinstance(target.get("name", ""), (str, type(None))):
            yield _entry((*place, "name"), "must be a string")
        if target.get("ip"):
            yield from _addresses((*place, "ip"), target["ip"])
        if not is_number(target.get("priority") or 0):
            yield _entry((*place, "priority"), "must be a number")


def _authority(path: tuple[str | int, ...], value: Any) -> Iterator[Fault]:
    if not isinstance(value, str):
        yield _entry(path, "must be a string")


def _issuers(path: tuple[str | int, ...], value: Any) -> Iterator[Fault]:
    for place, record in _each(path, value):
        if not isinstance(_map(record).get("issuer"), str):
            yield _entry(place, "must be an object with a text as issuer")


def _texts(variable: str, path: tuple[str | int, ...], value: Any) -> Iterator[Fault]:
    """TXT records: the written length counts characters, so each has to be one byte."""
    for place, text in _each(path, value):
        if not isinstance(text, str) or len(text) > _MAX_TXT or not text.isascii():
            yield Fault(
                variable,
                place,
                f"must be a string of at most {_MAX_TXT} ASCII characters, which is what a TXT "
                "record of dns holds; correct it",
                Effect.MISLEADS,
            )


_KINDS: Final = {
    "ip": _addresses,
    "alias": _named,
    "description": _descriptions,
    "mail": _named,
    "nameserver": _named,
    "autority": _authority,  # dns spells it so
    "certificate_authority_authorization": _issuers,
}


def _each(path: tuple[str | int, ...], value: Any) -> Iterable[tuple[tuple[str | int, ...], Any]]:
    """The entries of a list, or the value itself, each with its path."""
    if isinstance(value, list):
        return [((*path, index), each) for index, each in enumerate(value)]
    return [] if value is None else [(path, value)]


def _is_ipv4(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        ipaddress.IPv4Address(value)
    except ValueError:
        return False
    return True


def _length(text: str) -> int:
    """In UTF-16 units, as JavaScript counts."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
