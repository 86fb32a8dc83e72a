"""Asks DNS servers: a resolver, the name servers of the parent zone, the platform's own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.resolver

from pryv_operator.checks.dns import Answer, Referral
from pryv_operator.cli.probes.routes import DNS_PORT, Routes

#: A chain of CNAMEs of so many steps is followed.
_ALIASES: Final = 8
_ATTEMPTS: Final = 2


@dataclass(frozen=True)
class DnsProbe:
    """Asks servers. ``resolver``: address and port; None: the system's."""

    resolver: tuple[str, int] | None
    routes: Routes
    timeout: float

    def resolver_address(self) -> tuple[str, int] | None:
        """The resolver to ask; None: the system has none."""
        if self.resolver:
            return self.resolver
        try:
            system = dns.resolver.Resolver()
        except (dns.resolver.NoResolverConfiguration, OSError):
            return None
        server = next(iter(system.nameservers), None)
        return (str(server), system.port) if server else None

    async def resolve(self, name: str, kind: str) -> Answer:
        """What the resolver answers."""
        server = self.resolver_address()
        if server is None:
            return Answer("the resolver", error="none is configured; pass --resolver")
        answer = await self._ask(server, name, kind, recursive=True, tcp=False)
        return Answer(f"resolver {server[0]}", answer.values, answer.error)

    async def ask(self, address: str, name: str, kind: str, *, tcp: bool) -> Answer:
        """What a name server answers, asked directly."""
        server = self.routes.target(address, DNS_PORT)
        return await self._ask(server, name, kind, recursive=False, tcp=tcp)

    async def referral(self, domain: str) -> Referral:
        """What a name server of the parent zone answers for the domain's name servers."""
        parent = await self._parent_server(domain)
        if isinstance(parent, str):
            return Referral("the parent zone", error=parent)
        title, address = parent
        server = self.routes.target(address, DNS_PORT)
        query = dns.message.make_query(domain, "NS", flags=dns.flags.Flag(0))
        found = await self._send(query, server, tcp=False)
        if isinstance(found, str):
            return Referral(title, error=found)
        names: set[str] = set()
        glue: dict[str, set[str]] = {}
        for rrset in (*found.answer, *found.authority, *found.additional):
            if rrset.rdtype == dns.rdatatype.NS and rrset.name == dns.name.from_text(domain):
                names |= {each.target.to_text() for each in rrset}
            elif rrset.rdtype == dns.rdatatype.A:
                glue.setdefault(rrset.name.to_text(), set()).update(e.address for e in rrset)
        return Referral(
            title,
            tuple(sorted(names)),
            {name: tuple(sorted(addresses)) for name, addresses in glue.items()},
        )

    async def _parent_server(self, domain: str) -> tuple[str, str] | str:
        """Title and address of a name server of the zone above, or why none is known."""
        labels = domain.split(".")
        for start in range(1, len(labels)):
            zone = ".".join(labels[start:])
            servers = await self.resolve(zone, "NS")
            for name in sorted(servers.values):
                addresses = await self.resolve(name, "A")
                for address in sorted(addresses.values):
                    return f"{name.rstrip('.')} (zone {zone})", address
        return "its name servers were not found by the resolver"

    async def _ask(
        self, server: tuple[str, int], name: str, kind: str, *, recursive: bool, tcp: bool
    ) -> Answer:
        title = server[0] if server[1] == DNS_PORT else f"{server[0]}:{server[1]}"
        flags = dns.flags.RD if recursive else dns.flags.Flag(0)
        asked, values, answered = name, set[str](), False
        for _ in range(_ALIASES):
            try:
                query = dns.message.make_query(asked, kind, flags=flags)
            except (dns.exception.DNSException, ValueError):
                return Answer(title, error=f"{asked} is not a DNS name")
            found = await self._send(query, server, tcp=tcp)
            if isinstance(found, str):
                return Answer(title, error=found)
            code = found.rcode()
            if code != dns.rcode.NOERROR:
                return Answer(title, error=dns.rcode.to_text(code))
            values, alias = _values(found, asked, kind)
            answered = True
            # The platform's own server leaves it to the client to follow an alias.
            if values or alias is None:
                break
            asked = alias
        return (
            Answer(title, tuple(sorted(values))) if answered else Answer(title, error="no answer")
        )

    async def _send(
        self, query: dns.message.QueryMessage, server: tuple[str, int], *, tcp: bool
    ) -> dns.message.Message | str:
        """The answer, or why none came."""
        host, port = server
        error = ""
        for _ in range(_ATTEMPTS):
            try:
                if tcp:
                    return await dns.asyncquery.tcp(query, host, self.timeout, port)
                answer, _ = await dns.asyncquery.udp_with_fallback(query, host, self.timeout, port)
                return answer
            except dns.exception.Timeout:
                error = f"no answer within {self.timeout:g} s"
            except (OSError, EOFError) as failure:
                error = _reason(failure)
            except dns.exception.DNSException as failure:
                error = f"not a valid answer ({type(failure).__name__})"
        return error

    async def ask_all(self, address: str, names: Iterable[str], *, tcp: bool) -> dict[str, Answer]:
        """The IPv4 addresses that a name server answers, by name."""
        asked = list(names)
        found = await asyncio.gather(*(self.ask(address, name, "A", tcp=tcp) for name in asked))
        return dict(zip(asked, found, strict=True))


def _values(message: dns.message.Message, name: str, kind: str) -> tuple[set[str], str | None]:
    """The values of a kind for a name through its aliases, and the last alias if it has none."""
    current = dns.name.from_text(name)
    last: str | None = None
    for _ in range(_ALIASES):
        values: set[str] = set()
        alias: dns.name.Name | None = None
        for rrset in message.answer:
            if rrset.name != current:
                continue
            if rrset.rdtype == dns.rdatatype.from_text(kind):
                values |= {each.to_text() for each in rrset}
            elif rrset.rdtype == dns.rdatatype.CNAME:
                alias = next(iter(rrset)).target
        if values or alias is None:
            return values, last
        current, last = alias, alias.to_text()
    return set(), None


def _reason(error: BaseException) -> str:
    """Why a connection failed, in the system's words."""
    text = getattr(error, "strerror", None) or str(error)
    return text.lower() or type(error).__name__
