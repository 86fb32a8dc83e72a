"""Probes ask real servers on the loopback address; what they find is judged."""

from __future__ import annotations

import datetime as dt
import ssl
from base64 import b64encode
from pathlib import Path

import pytest

from pryv_operator.checks import certificates, services
from pryv_operator.checks import dns as judged
from pryv_operator.checks.expected import Host, Image, MailSettings, NameServer, WebServer, Zone
from pryv_operator.checks.rows import Row, Status
from pryv_operator.cli.probes.dns import DnsProbe
from pryv_operator.cli.probes.mail import ask_mail_server
from pryv_operator.cli.probes.registry import RegistryProbe, parse_reference
from pryv_operator.cli.probes.routes import RouteError, Routes, parse_routes, parse_server
from pryv_operator.cli.probes.web import WebProbe, trusting_context
from tests.unit.checks.servers import (
    LOOPBACK,
    DnsData,
    dns_server,
    https_server,
    mail_server,
    registry,
    server_context,
)
from tests.unit.pki.chains import issue_chain

DOMAIN = "pryv.acme.test"
ADDRESS = "203.0.113.10"
PASSWORD = "canary-password-4711"
ZONE = Zone(
    DOMAIN,
    (NameServer(f"dns1.{DOMAIN}", ADDRESS),),
    (Host(f"reg.{DOMAIN}", ADDRESS), Host(f"access.{DOMAIN}", ADDRESS)),
)
NOW = dt.datetime.now(dt.UTC)


def dns_data() -> DnsData:
    return DnsData(
        {
            (DOMAIN, "NS"): [f"dns1.{DOMAIN}."],
            (f"dns1.{DOMAIN}", "A"): [ADDRESS],
            (f"reg.{DOMAIN}", "A"): [ADDRESS],
            (f"access.{DOMAIN}", "CNAME"): [f"reg.{DOMAIN}."],
            ("acme.test", "NS"): ["ns1.acme.test."],
            ("ns1.acme.test", "A"): ["203.0.113.1"],
        },
        {DOMAIN: (f"dns1.{DOMAIN}", ADDRESS)},
    )


def dns_probe(port: int) -> DnsProbe:
    return DnsProbe((LOOPBACK, port), parse_routes([f":53:{LOOPBACK}:{port}"]), 2)


class TestDns:
    """Delegation, glue, and addresses, from a real DNS server."""

    async def test_right_zone(self) -> None:
        with dns_server(dns_data()) as port:
            probe = dns_probe(port)
            assert judged.delegation(ZONE, await probe.resolve(DOMAIN, "NS")).status is Status.OK
            assert [each.status for each in judged.glue(ZONE, await probe.referral(DOMAIN))] == [
                Status.OK
            ]
            for tcp in (False, True):
                answers = await probe.ask_all(ADDRESS, [each.name for each in ZONE.hosts], tcp=tcp)
                row = judged.dns_server(ZONE.name_servers[0], "any", ZONE.hosts, answers)
                assert row.status is Status.OK, row

    @pytest.mark.parametrize(
        ("change", "status"),
        [
            ({(DOMAIN, "NS"): ["ns.other.test."]}, Status.FAIL),
            ({(DOMAIN, "NS"): [f"dns1.{DOMAIN}.", "ns.other.test."]}, Status.WARN),
            ({(DOMAIN, "NS"): []}, Status.FAIL),
        ],
    )
    async def test_wrong_delegation(
        self, change: dict[tuple[str, str], list[str]], status: Status
    ) -> None:
        data = dns_data()
        data.records |= change
        with dns_server(data) as port:
            row = judged.delegation(ZONE, await dns_probe(port).resolve(DOMAIN, "NS"))
        assert row.status is status
        assert row.remedy.endswith(f"dns1.{DOMAIN}")

    async def test_missing_and_wrong_glue(self) -> None:
        for glue, text in ((None, "no address"), ("203.0.113.99", "203.0.113.99")):
            data = dns_data()
            data.referrals[DOMAIN] = (f"dns1.{DOMAIN}", glue)
            with dns_server(data) as port:
                (row,) = judged.glue(ZONE, await dns_probe(port).referral(DOMAIN))
            assert (row.status, text in row.found) == (Status.FAIL, True)

    async def test_wrong_address_and_missing_name(self) -> None:
        data = dns_data()
        data.records[f"reg.{DOMAIN}", "A"] = ["203.0.113.99"]
        del data.records[f"access.{DOMAIN}", "CNAME"]
        with dns_server(data) as port:
            probe = dns_probe(port)
            found = [
                judged.host_address(each, await probe.resolve(each.name, "A"))
                for each in ZONE.hosts
            ]
        assert [row.status for row in found] == [Status.FAIL, Status.FAIL]
        assert "203.0.113.99; expected: 203.0.113.10" in found[0].found
        assert "NXDOMAIN" in found[1].found

    async def test_silent_server(self) -> None:
        probe = DnsProbe((LOOPBACK, 9), Routes(), 0.3)
        answer = await probe.resolve(DOMAIN, "NS")
        assert answer.error
        assert judged.delegation(ZONE, answer).status is Status.FAIL


class TestTls:
    """Certificates as a real TLS server presents them."""

    @staticmethod
    async def served(tmp_path: Path, names: list[str], *, trusted: bool) -> Row:
        chain = issue_chain(names, NOW)
        authority = tmp_path / "ca.pem"
        authority.write_text(chain[-1].pem)
        server = WebServer("reg", f"reg.{DOMAIN}", ADDRESS, (DOMAIN,))
        with https_server(server_context(chain, tmp_path), {}) as port:
            probe = WebProbe(
                trusting_context(authority if trusted else None),
                parse_routes([f"{ADDRESS}:443:{LOOPBACK}:{port}"]),
                2,
            )
            found = await probe.handshake(ADDRESS, server.host)
        return certificates.served_row(server, found, None, NOW)

    async def test_trusted(self, tmp_path: Path) -> None:
        row = await self.served(tmp_path, [DOMAIN, f"*.{DOMAIN}"], trusted=True)
        assert row.status is Status.OK, row

    async def test_unknown_authority(self, tmp_path: Path) -> None:
        row = await self.served(tmp_path, [DOMAIN, f"*.{DOMAIN}"], trusted=False)
        assert row.status is Status.FAIL
        assert row.found.startswith("not trusted: ")

    async def test_other_names(self, tmp_path: Path) -> None:
        row = await self.served(tmp_path, ["www.other.test"], trusted=True)
        assert row.status is Status.FAIL
        assert f"does not cover reg.{DOMAIN}" in row.found

    async def test_closed_port(self) -> None:
        probe = WebProbe(trusting_context(None), parse_routes([f":443:{LOOPBACK}:9"]), 2)
        assert await probe.connect(ADDRESS, 443) == "connection refused"
        assert (await probe.handshake(ADDRESS, "a.test")).error == "connection refused"

    async def test_service_information(self, tmp_path: Path) -> None:
        expected = {"name": "Acme", "register": f"https://reg.{DOMAIN}"}
        chain = issue_chain([DOMAIN, f"*.{DOMAIN}"], NOW)
        url = f"https://reg.{DOMAIN}/service/info"
        for document, status in (
            ({"name": "Acme", "register": f"https://reg.{DOMAIN}/"}, Status.OK),
            ({"name": "Other", "register": f"https://reg.{DOMAIN}/"}, Status.FAIL),
            (["no map"], Status.FAIL),
            (None, Status.FAIL),
        ):
            documents = {"/service/info": document}
            with https_server(server_context(chain, tmp_path), documents) as port:
                routes = parse_routes([f":443:{LOOPBACK}:{port}"])
                probe = WebProbe(trusting_context(None), routes, 5)
                answer = await probe.get(ADDRESS, f"reg.{DOMAIN}", "/service/info")
            row = services.service_information(url, ADDRESS, expected, answer)
            assert row.status is status, row


class TestMail:
    """The login at a real mail server."""

    @staticmethod
    def settings(port: int, password: str | None = PASSWORD) -> MailSettings:
        return MailSettings(
            "no-reply@acme.test", "mail.acme.test", port, user="me", password=password
        )

    async def rows(
        self, tmp_path: Path, password: str | None, *, to: str | None = None, trusted: bool = True
    ) -> tuple[list[Row], int]:
        chain = issue_chain(["mail.acme.test"], NOW)
        (tmp_path / "ca.pem").write_text(chain[-1].pem)
        context = trusting_context(tmp_path / "ca.pem" if trusted else None)
        with mail_server("me", PASSWORD, server_context(chain, tmp_path)) as box:
            routes = parse_routes([f"mail.acme.test:587:{LOOPBACK}:{box.port}"])
            mail = self.settings(587, password)
            answer = await ask_mail_server(mail, context, routes, 5, to)
            return services.mail_rows(mail, answer, to), len(box.messages)

    async def test_login_by_starttls_sends_nothing(self, tmp_path: Path) -> None:
        rows, sent = await self.rows(tmp_path, PASSWORD)
        assert [row.status for row in rows] == [Status.OK]
        assert rows[0].found == "encrypted; logged in as me"
        assert sent == 0

    async def test_email_is_sent_on_request(self, tmp_path: Path) -> None:
        rows, sent = await self.rows(tmp_path, PASSWORD, to="you@acme.test")
        assert [row.status for row in rows] == [Status.OK, Status.OK]
        assert sent == 1

    async def test_refused_login_quotes_no_password(self, tmp_path: Path) -> None:
        rows, _ = await self.rows(tmp_path, "canary-wrong-0815")
        assert rows[0].status is Status.FAIL
        assert rows[0].found == "login: refused with code 535"
        assert "canary" not in repr(rows)

    async def test_unknown_password_is_reported(self, tmp_path: Path) -> None:
        rows, _ = await self.rows(tmp_path, None)
        assert rows[0].status is Status.WARN
        assert "the login was not tried" in rows[0].found

    async def test_untrusted_mail_server(self, tmp_path: Path) -> None:
        rows, _ = await self.rows(tmp_path, PASSWORD, trusted=False)
        assert rows[0].status is Status.FAIL
        assert rows[0].found.startswith("STARTTLS: the certificate is not trusted")

    async def test_password_in_clear_is_a_warning(self) -> None:
        with mail_server("me", PASSWORD, None) as box:
            mail = MailSettings("a@b.test", LOOPBACK, box.port, user="me", password=PASSWORD)
            answer = await ask_mail_server(mail, ssl.create_default_context(), Routes(), 5, None)
        (row,) = services.mail_rows(mail, answer, None)
        assert (row.status, row.found) == (Status.WARN, "connected; the password is sent in clear")


class TestRegistry:
    """A HEAD of the manifest, with the login of a pull Secret."""

    @pytest.mark.parametrize(
        ("image", "login", "status"),
        [
            ("pryvio/core:1.9.2", "me:the-login", Status.OK),
            ("pryvio/core:1.9.3", "me:the-login", Status.FAIL),
            ("pryvio/core:1.9.2", "me:canary-wrong", Status.FAIL),
            ("pryvio/core:1.9.2", None, Status.FAIL),
        ],
    )
    async def test_image(self, image: str, login: str | None, status: Status) -> None:
        with registry(["pryvio/core/1.9.2"], "me:the-login") as port:
            name = f"{LOOPBACK}:{port}/{image}"
            config = {
                "auths": {
                    f"{LOOPBACK}:{port}": {"auth": b64encode((login or "").encode()).decode()}
                }
            }
            configs = [config] if login else []
            probe = RegistryProbe(trusting_context(None), Routes(), 5)
            reference = parse_reference(name)
            found = await probe.ask(reference, services.pull_login(reference.registry, configs))
        row = services.image_row(Image(name, ("co1/core",), ()), [], found)
        assert row.status is status, row
        assert "canary" not in repr(row)

    def test_references(self) -> None:
        assert parse_reference("redis").url == (
            "https://registry-1.docker.io/v2/library/redis/manifests/latest"
        )
        assert parse_reference("docker.io/pryvio/core:1").repository == "pryvio/core"
        digest = "sha256:" + "0" * 64
        assert parse_reference(f"r.test:5000/a/b:1@{digest}").version == digest


class TestRoutes:
    """``--connect-to`` and ``--resolver``."""

    def test_rules(self) -> None:
        routes = parse_routes(["a.test:443:127.0.0.1:8443", ":53:[::1]:"])
        assert routes.target("a.test", 443) == ("127.0.0.1", 8443)
        assert routes.target("b.test", 53) == ("::1", 53)
        assert routes.target("b.test", 443) == ("b.test", 443)

    @pytest.mark.parametrize("text", ["a", "a:443", "a:443:b:99999", "a:x:b:1"])
    def test_invalid_rule(self, text: str) -> None:
        with pytest.raises(RouteError, match="HOST:PORT:ADDRESS:PORT"):
            parse_routes([text])

    def test_servers(self) -> None:
        assert parse_server("192.0.2.1", "--resolver") == ("192.0.2.1", 53)
        assert parse_server("192.0.2.1:54", "--resolver") == ("192.0.2.1", 54)
        assert parse_server("[2001:db8::1]:54", "--resolver") == ("2001:db8::1", 54)
        for text in ("dns.test", "192.0.2.1:0", "192.0.2.1:x"):
            with pytest.raises(RouteError, match="ADDRESS"):
                parse_server(text, "--resolver")
