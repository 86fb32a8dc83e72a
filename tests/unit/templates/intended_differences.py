"""Where the built-in release 1.9.2 says something else than the leader's templates, and why.

The fidelity test applies every difference to the parsed form of the leader's file (see
``parsed`` in ``test_builtin_release.py``) and then asks for equality.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from math import factorial
from typing import Any, TypeAlias

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True)
class Set:
    """Set the value at ``path``, which must exist unless ``new``."""

    path: Path
    value: Any
    new: bool = False

    def apply(self, form: Any) -> None:
        """Change ``form`` in place. Raises KeyError or AssertionError if it has no such place."""
        parent, last = _parent(form, self.path)
        if self.new:
            assert last not in parent, f"{self.path} is there already"
        else:
            assert parent[last] != self.value, f"{self.path} is that already"
        parent[last] = self.value


@dataclass(frozen=True)
class Insert:
    """Insert ``value`` into a list, before the element at ``path``."""

    path: Path
    value: Any

    def apply(self, form: Any) -> None:
        """Change ``form`` in place. Raises KeyError where there is no list."""
        parent, last = _parent(form, self.path)
        parent.insert(last, self.value)


@dataclass(frozen=True)
class Copy:
    """Copy the value at ``source`` to ``path``, which must not exist yet."""

    path: Path
    source: Path

    def apply(self, form: Any) -> None:
        """Change ``form`` in place. Raises KeyError or AssertionError if impossible."""
        original, key = _parent(form, self.source)
        Set(self.path, copy.deepcopy(original[key]), new=True).apply(form)


@dataclass(frozen=True)
class Drop:
    """Remove the value at ``path``."""

    path: Path

    def apply(self, form: Any) -> None:
        """Change ``form`` in place. Raises KeyError where there is nothing to drop."""
        parent, last = _parent(form, self.path)
        del parent[last]


@dataclass(frozen=True)
class Difference:
    """One intended difference: in which file (role/path), what is edited, and why."""

    file: str
    edit: Set | Insert | Copy | Drop
    reason: str


def _parent(form: Any, path: Path) -> tuple[Any, Any]:
    for step in path[:-1]:
        form = form[step]
    return form, path[-1]


def ffdhe2048_prime() -> int:
    """The prime of the group ffdhe2048, by the formula of RFC 7919, appendix A.1."""
    bits = 2200
    e = sum((1 << bits) // factorial(k) for k in range(400))
    return int((1 << 2048) - (1 << 1984) + ((e >> (bits - 1918)) + 560316) * (1 << 64) - 1)


ROLES = ("core", "reg-master", "reg-slave", "static", "singlenode")
SINGLE_DNS_DATA = ("singlenode/register/conf/register.json", "singlenode/dns/conf/dns.json")
DNS_DATA = (
    "reg-master/register/conf/register.json",
    "reg-master/dns/conf/dns.json",
    "reg-slave/dns/conf/dns.json",
    *SINGLE_DNS_DATA,
)

NO_FOLLOWER = "the operator takes the follower's place: there is nobody to notify on a machine"
NO_ADMIN_PANEL = "the admin panel needs the leader (lead.DOMAIN), which does not exist any more"
RUN_TIME = "nginx must start where pryv.github.io cannot be resolved"
MODERN_TLS = (
    "TLS 1.0, TLS 1.1 and RC4 are broken, suites without authenticated encryption are weak; "
    "TLS 1.3 is enabled"
)
ONE_TEXT = "it means the same; both layouts share one text"
NO_LOGIN = (
    "the pages are static, and of another host: headers, query and body of a request, which may "
    "hold what logs a person in, stay in the platform"
)
VERIFIED = "whoever answers in place of pryv.github.io could take what a person types there"
NOT_RESTARTED = (
    "nginx was restarted with everything else; now it runs on, and must ask soon what is back"
)
FOREIGN_KEYS = "keys of Pryv's own accounts at a third party; reporting there is off"

CIPHERS = "EECDH+AESGCM:EECDH+CHACHA20"
RESOLVER = [["10.96.0.10", "ipv6=off", "valid=30s"]]
API = "server *.DOMAIN"
START_PAGE = "location = /"
RETURNS_START_PAGE = {"(in order)": [["return", "418"]]}
NOT_ALLOWED = {"(in order)": [["return", "405"]]}
SETS_WEB_APPS = ["set", "$web_apps", "https://pryv.github.io"]
MFA_PAGE = ("server mfa.DOMAIN", "location /")
#: Of a request only these headers go to the pages that are hosted elsewhere.
PASSED = {
    "proxy_pass_request_headers": [["off"]],
    "proxy_pass_request_body": [["off"]],
    "proxy_set_header": [
        ["Accept", "$http_accept"],
        ["Accept-Encoding", "$http_accept_encoding"],
        ["Content-Length", ""],
        ["Host", "pryv.github.io"],
        ["If-Modified-Since", "$http_if_modified_since"],
        ["If-None-Match", "$http_if_none_match"],
        ["User-Agent", "$http_user_agent"],
    ],
}
PILOT = ("net", "aahostings", "regions", "pilot", "zones", "pilot", "hostings", "pilot")

VERIFIES = {
    "proxy_ssl_verify": "on",
    "proxy_ssl_verify_depth": "3",
    "proxy_ssl_trusted_certificate": "/app/conf/web-apps-ca.pem",
    "proxy_ssl_server_name": "on",
    "proxy_ssl_protocols": "TLSv1.2 TLSv1.3",
}
#: Files (role/path) that the leader does not have, and why.
OWN_FILES = {
    f"{role}/nginx/conf/web-apps-ca.pem": VERIFIED for role in ("core", "static", "singlenode")
}

_API_SERVERS = {
    "core_server": ("core", range(3000, 3006)),
    "websocket_server": ("core", range(3000, 3006)),
    "hfs_server": ("hfs", range(3000, 3006)),
    "mfa_server": ("mfa", (7000,)),
    "preview_server": ("preview", (9000,)),
}
#: File → upstream block → host and ports of its servers.
UPSTREAMS = {
    "core/nginx/conf/site-443.conf": _API_SERVERS,
    "singlenode/nginx/conf/site-443.conf": _API_SERVERS,
    "reg-master/nginx/conf/site.conf": {
        "register_server": ("register", (9000,)),
        "mail_server": ("mail", (9000,)),
    },
}

DIFFERENCES: tuple[Difference, ...] = (
    # nginx runs on while what it asks is restarted.
    *(
        Difference(
            file,
            Set(
                (f"upstream {name}", "server"),
                [[f"{host}:{port}", "max_fails=3", "fail_timeout=1s"] for port in ports],
            ),
            NOT_RESTARTED,
        )
        for file, blocks in UPSTREAMS.items()
        for name, (host, ports) in blocks.items()
    ),
    # The leader and its followers are gone.
    *(
        Difference(file, Drop(("upstream follower_server",)), NO_FOLLOWER)
        for file in (
            "core/nginx/conf/site-443.conf",
            "reg-slave/nginx/conf/site.conf",
            "static/nginx/conf/site-443.conf",
        )
    ),
    Difference("core/nginx/conf/site-443.conf", Drop((API, "location /notify")), NO_FOLLOWER),
    Difference(
        "static/nginx/conf/site-443.conf",
        Drop(("server sw.DOMAIN", "location /notify")),
        NO_FOLLOWER,
    ),
    Difference(
        "static/nginx/conf/site-443.conf",
        Set(("server sw.DOMAIN", "(in order)", 0, 3), "^/access/static/"),
        NO_FOLLOWER,
    ),
    Difference(
        "reg-slave/nginx/conf/site.conf",
        Set((API, "location /"), {"(in order)": [["return", "404"]]}),
        NO_FOLLOWER + "; it was all that the server offered",
    ),
    # No admin panel.
    *(
        Difference(f"{role}/pryv.yml", Drop(("services", "admin_panel")), NO_ADMIN_PANEL)
        for role in ("reg-master", "singlenode")
    ),
    *(
        Difference(file, Drop((block,)), NO_ADMIN_PANEL)
        for file in ("reg-master/nginx/conf/site.conf", "singlenode/nginx/conf/site-443.conf")
        for block in (
            "upstream leader_server",
            "upstream admin_panel_server",
            "server lead.DOMAIN",
            "server adm.DOMAIN",
        )
    ),
    *(
        Difference(file, Drop(("dns", "staticDataInDomain", "lead")), NO_ADMIN_PANEL)
        for file in DNS_DATA
    ),
    *(
        Difference(
            f"{role}/dns/conf/dns.json", Drop(("dns", "staticDataInDomain", "adm")), NO_ADMIN_PANEL
        )
        for role in ("reg-master", "singlenode")
    ),
    # Pages hosted elsewhere are looked up while nginx runs.
    *(
        Difference(f"{role}/nginx/conf/site-443.conf", edit, reason)
        for role in ("core", "singlenode")
        for edit, reason in (
            (Set((API, "resolver"), RESOLVER, new=True), RUN_TIME),
            (Set((API, "resolver_timeout"), [["5s"]], new=True), RUN_TIME),
            (
                Set(
                    (API, START_PAGE),
                    {
                        "error_page": [["418", "=", "@start_page"]],
                        "(in order)": [
                            ["if", "$request_method", "~", "^(GET|HEAD)$", RETURNS_START_PAGE]
                        ],
                        "proxy_pass": [["http://core_server"]],
                    },
                ),
                NO_LOGIN + "; other methods reach the core as before",
            ),
            (
                Set(
                    (API, "location @start_page"),
                    {
                        "(in order)": [SETS_WEB_APPS],
                        **{name: [value.split()] for name, value in VERIFIES.items()},
                        **PASSED,
                        "proxy_pass": [["$web_apps/app-web/"]],
                    },
                    new=True,
                ),
                f"{NO_LOGIN}; {VERIFIED}; {RUN_TIME}",
            ),
        )
    ),
    *(
        Difference(f"{role}/nginx/conf/site-443-mfa.conf", edit, reason)
        for role in ("static", "singlenode")
        for edit, reason in (
            (Set((MFA_PAGE[0], "resolver"), RESOLVER, new=True), RUN_TIME),
            (Set((MFA_PAGE[0], "resolver_timeout"), [["5s"]], new=True), RUN_TIME),
            (Set((*MFA_PAGE, "proxy_pass"), [["$web_apps"]]), RUN_TIME),
            (
                Set(
                    (*MFA_PAGE, "(in order)"),
                    [
                        ["if", "$request_method", "!~", "^(GET|HEAD)$", NOT_ALLOWED],
                        SETS_WEB_APPS,
                        ["rewrite", "^", "/app-web-mfa$uri?", "break"],
                    ],
                    new=True,
                ),
                f"{RUN_TIME}; the same address upstream; {NO_LOGIN}",
            ),
            (Set((*MFA_PAGE, "proxy_set_header"), PASSED["proxy_set_header"]), NO_LOGIN),
            *(
                (Set((*MFA_PAGE, name), [["off"]], new=True), NO_LOGIN)
                for name in ("proxy_pass_request_headers", "proxy_pass_request_body")
            ),
            (
                Set(
                    (*MFA_PAGE, "proxy_redirect"),
                    [["https://pryv.github.io/app-web-mfa/", "/"]],
                    new=True,
                ),
                RUN_TIME + "; what nginx does by itself when the address is fixed",
            ),
        )
    ),
    # Pages hosted elsewhere are asked for their certificate.
    *(
        Difference(
            f"{role}/nginx/conf/{file}", Set((*page, name), [value.split()], new=True), VERIFIED
        )
        for role, file, page in (
            ("static", "site-443-mfa.conf", MFA_PAGE),
            ("singlenode", "site-443-mfa.conf", MFA_PAGE),
        )
        for name, value in VERIFIES.items()
    ),
    # The zone of a single machine.
    *(
        Difference(
            file,
            Copy(
                ("dns", "staticDataInDomain", "dns1"), source=("dns", "staticDataInDomain", "local")
            ),
            "the operator declares dns1.DOMAIN as name server, so the zone needs its address",
        )
        for file in SINGLE_DNS_DATA
    ),
    *(
        Difference(
            file,
            Set((*PILOT, "description"), "The only core of this platform"),
            "our own words for a text that people see",
        )
        for file in SINGLE_DNS_DATA
    ),
    # Defects mended.
    Difference(
        "core/core/conf/core.yml",
        Set(("logs", "console", "active"), True),
        "a comma after true made it a text",
    ),
    *(
        Difference(
            f"{role}/hfs/conf/metadata.hjson",
            Set(("nats", "uri"), "nats://core:4222"),
            "NATS does not speak HTTPS",
        )
        for role in ("core", "singlenode")
    ),
    *(
        Difference(
            f"{role}/hfs/conf/metadata.hjson",
            Set(
                ("eventFiles",),
                {
                    "attachmentsDirPath": "/app/data/attachments",
                    "previewsDirPath": "/app/data/previews",
                },
                new=True,
            ),
            "metadata opens the event storage to write a series' duration, and ended without it",
        )
        for role in ("core", "singlenode")
    ),
    Difference(
        "reg-slave/redis/conf/redis.conf",
        Set(("replica-read-only",), [["no"]]),
        "register and dns write to redis when they start, or never answer",
    ),
    Difference(
        "singlenode/hfs/conf/hfs.yml",
        Set(("services", "register", "url"), "http://register:9000"),
        "without its two slashes it was no address",
    ),
    Difference(
        "singlenode/nginx/conf/nginx.conf",
        Drop(("http", "gzip_types", 0, 1)),
        "nginx always compresses text/html, and warns at every start when it is named again",
    ),
    *(
        Difference(
            f"{role}/nginx/conf/nginx.conf",
            Drop(("http", "gzip_types", 0, 2)),
            "the length of a compressed answer of the API can give away what is in it (BREACH)",
        )
        for role in ROLES
    ),
    Difference(
        "singlenode/nginx/conf/site-443.conf",
        Set(("server sw.DOMAIN", "(in order)", 0, 3), "^/access/static/"),
        ONE_TEXT,
    ),
    *(
        Difference(
            f"{role}/nginx/conf/nginx.conf",
            Set(("http", "ssl_protocols"), [["TLSv1.2", "TLSv1.3"]]),
            MODERN_TLS,
        )
        for role in ROLES
    ),
    *(
        Difference(
            f"{role}/nginx/conf/nginx.conf", Set(("http", "ssl_ciphers"), [[CIPHERS]]), MODERN_TLS
        )
        for role in ROLES
    ),
    *(
        Difference(
            f"{role}/nginx/conf/secret/dhsecure.pem",
            Set(("prime",), ffdhe2048_prime()),
            "a well-known group whose making can be checked, and which TLS clients recognise",
        )
        for role in ROLES
    ),
    # Not ours to use.
    *(Difference(file, Set(("airbrake",), {"disable": True}), FOREIGN_KEYS) for file in DNS_DATA),
    *(
        Difference(file, Set(("logs", "airbrake"), {"active": False}), FOREIGN_KEYS)
        for role in ("core", "singlenode")
        for file in (
            f"{role}/core/conf/core.yml",
            f"{role}/preview/conf/preview.yml",
            f"{role}/webhooks/conf/webhooks.yml",
        )
    ),
    *(
        Difference(
            f"{role}/pryv.yml",
            Set(
                ("services", "core", "volumes"),
                [
                    "${PRYV_CONF_ROOT}/pryv/core/conf/:/app/conf/:ro",
                    "${PRYV_CONF_ROOT}/pryv/core/data/:/app/data/",
                    "${PRYV_CONF_ROOT}/pryv/core/log/:/app/log/",
                ],
            ),
            "the node's /dev/log is not handed to containers",
        )
        for role in ("core", "singlenode")
    ),
    *(
        Difference(
            f"{role}/pryv.yml",
            Set(("services", "core", "x-pryv-audit-port"), 5514, new=True),
            "audit records go to a container of the pod",
        )
        for role in ("core", "singlenode")
    ),
    *(
        Difference(
            f"{role}/core/conf/core.yml",
            Set(
                ("audit", "syslog", "options"),
                {
                    "host": "127.0.0.1",
                    "protocol": "udp4",
                    "port": 5514,
                    "localhost": "",
                    "app_name": "pryv-audit",
                },
            ),
            "audit records go to a container of the pod",
        )
        for role in ("core", "singlenode")
    ),
)
