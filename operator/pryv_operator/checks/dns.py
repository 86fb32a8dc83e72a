"""Judges what DNS servers answer: delegation, glue, and the addresses of all host names. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pryv_operator.checks.declarations import Check
from pryv_operator.checks.expected import Host, NameServer, Zone
from pryv_operator.checks.rows import Row, fail, ok, skipped, warn

_UNKNOWN = "its address is not known before the platform is installed"


@dataclass(frozen=True)
class Answer:
    """What a DNS server answered: values in any order, or why it has none.

    ``server``: how rows name it. ``error``: ``NXDOMAIN``, ``timed out``, ….
    """

    server: str
    values: tuple[str, ...] = ()
    error: str = ""

    @property
    def text(self) -> str:
        """The values, or the error."""
        return self.error or ", ".join(sorted(self.values)) or "no such record"


@dataclass(frozen=True)
class Referral:
    """What a name server of the parent zone answered: NS names, and addresses (glue) of these."""

    server: str
    names: tuple[str, ...] = ()
    glue: Mapping[str, tuple[str, ...]] | None = None
    error: str = ""


def delegation(zone: Zone, answer: Answer) -> Row:
    """Whether the domain's NS records, by a resolver, name the platform's name servers."""
    expected = {_plain(each.name) for each in zone.name_servers}
    found = {_plain(each) for each in answer.values}
    wanted = ", ".join(sorted(expected))
    remedy = f"in the parent zone, create NS records for {zone.domain}: {wanted}"
    where = f"by {answer.server}: {answer.text}"
    if answer.error or not found:
        return fail(Check.DELEGATION, zone.domain, where, remedy)
    if found == expected:
        return ok(Check.DELEGATION, zone.domain, where)
    if found & expected:
        return warn(Check.DELEGATION, zone.domain, f"{where}; expected: {wanted}", remedy)
    return fail(Check.DELEGATION, zone.domain, f"{where}; expected: {wanted}", remedy)


def name_server_address(server: NameServer, answer: Answer) -> Row:
    """Whether the name of a name server resolves to its address."""
    return _address(Check.NAME_SERVER, server.name, server.address, answer)


def host_address(host: Host, answer: Answer) -> Row:
    """Whether a host name resolves to the address of its role."""
    return _address(Check.HOST, host.name, host.address, answer)


def _address(check: Check, name: str, expected: str | None, answer: Answer) -> Row:
    where = f"by {answer.server}: {answer.text}"
    if expected is None:
        return skipped(check, name, f"{_UNKNOWN}; {where}")
    if answer.error or not answer.values:
        return fail(check, name, f"{where}; expected: {expected}")
    if set(answer.values) == {expected}:
        return ok(check, name, where)
    if expected in answer.values:
        return warn(check, name, f"{where}; expected only: {expected}")
    return fail(check, name, f"{where}; expected: {expected}")


def glue(zone: Zone, referral: Referral) -> list[Row]:
    """Whether the parent zone holds the address of each name server inside of the domain.

    Without it, no resolver finds the server that would answer for its own name (RFC 1034, 4.2.1).
    """
    inside = [each for each in zone.name_servers if _is_in(each.name, zone.domain)]
    rows = []
    for server in inside:
        subject = server.name
        if referral.error:
            rows.append(skipped(Check.GLUE, subject, f"{referral.server}: {referral.error}"))
            continue
        if _plain(server.name) not in {_plain(each) for each in referral.names}:
            found = f"{referral.server} does not delegate {zone.domain} to it"
            rows.append(fail(Check.GLUE, subject, found))
            continue
        known = {_plain(name): values for name, values in (referral.glue or {}).items()}
        values = known.get(_plain(server.name), ())
        text = f"at {referral.server}: {', '.join(sorted(values)) or 'no address'}"
        if server.address is None:
            rows.append(skipped(Check.GLUE, subject, f"{_UNKNOWN}; {text}"))
        elif server.address in values:
            rows.append(ok(Check.GLUE, subject, text))
        else:
            rows.append(fail(Check.GLUE, subject, f"{text}; expected: {server.address}"))
    return rows


def dns_server(
    server: NameServer, protocol: str, hosts: tuple[Host, ...], answers: Mapping[str, Answer]
) -> Row:
    """Whether a name server of the platform, asked directly, answers for all host names.

    ``protocol``: UDP or TCP. ``answers``: host name → its answer.
    """
    subject = f"{server.name} ({protocol})"
    if server.address is None:
        return skipped(Check.DNS_SERVER, subject, _UNKNOWN)
    silent = [each for each in answers.values() if each.error]
    if silent and len(silent) == len(answers):
        return fail(Check.DNS_SERVER, subject, f"{server.address}: {silent[0].error}")
    wrong = [
        f"{host.name}: {answers[host.name].text}"
        + (f" instead of {host.address}" if host.address else "")
        for host in hosts
        if host.name in answers
        and (
            not answers[host.name].values
            or (host.address and host.address not in answers[host.name].values)
        )
    ]
    if wrong:
        return fail(Check.DNS_SERVER, subject, f"{server.address}: {'; '.join(wrong[:3])}")
    return ok(Check.DNS_SERVER, subject, f"{server.address}: answers for {len(answers)} names")


def _plain(name: str) -> str:
    return name.rstrip(".").lower()


def _is_in(name: str, domain: str) -> bool:
    return _plain(name).endswith(f".{_plain(domain)}")
