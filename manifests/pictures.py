"""The pictures of the docs: each is drawn by a function of its name; see `drawing.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from manifests.drawing import Arrow, Box, Frame, Label, Picture, Tone

#: Steps that are drawn as stores.
STORES: Final = ("redis", "mongodb, influxdb")


def data_flow() -> Picture:
    """From platform.yaml to pods."""
    user = [
        Box(
            16,
            56,
            196,
            84,
            "PryvPlatform",
            ("platform.yaml: domain,", "variables, roles"),
            Tone.USER,
        ),
        Box(16, 158, 196, 66, "Secrets", ("yours, and generated ones",), Tone.USER),
        Box(16, 242, 196, 66, "Templates", ("a release, or an archive",), Tone.USER),
    ]
    render = ("the files of every role,", "as Pryv's leader does")
    compare = ("with what is live: only", "differences are applied")
    roll_out = ("step by step; a failed", "step stops the rest")
    operator = [
        Frame(268, 22, 236, 306, "pryv-operator"),
        Box(284, 56, 204, 66, "1. Render", render, Tone.OPERATOR),
        Box(284, 152, 204, 66, "2. Compare", compare, Tone.OPERATOR),
        Box(284, 248, 204, 66, "3. Roll out", roll_out, Tone.OPERATOR),
    ]
    files = ("files, in objects", "named by content")
    cluster = [
        Frame(560, 22, 224, 306, "namespace of the platform"),
        Box(576, 56, 192, 66, "ConfigMaps, Secrets", files, Tone.DATA),
        Box(576, 152, 192, 66, "Workloads", ("one per component", "of each instance")),
        Box(576, 248, 192, 66, "Pods", ("register, dns, core,", "mongodb, …")),
    ]
    return Picture(
        800,
        392,
        "PryvPlatform, Secrets and templates go into the operator. It renders the files of every "
        "role, compares them with what is live, and rolls out what changed. Files become "
        "ConfigMaps and Secrets, components become workloads and pods. The status reports back.",
        (
            Label(16, 41, "what you write", "start"),
            *user,
            *operator,
            *cluster,
            Arrow(((212, 98), (240, 98), (240, 89), (284, 89))),
            Arrow(((212, 191), (248, 191), (248, 96), (284, 96))),
            Arrow(((212, 275), (256, 275), (256, 103), (284, 103))),
            Arrow(((386, 122), (386, 152))),
            Arrow(((386, 218), (386, 248))),
            Arrow(((488, 281), (532, 281), (532, 89), (576, 89))),
            Arrow(((532, 185), (576, 185))),
            Arrow(((672, 122), (672, 152))),
            Arrow(((672, 218), (672, 248))),
            Arrow(((672, 328), (672, 362), (5, 362), (5, 98), (16, 98)), dashed=True),
            Label(393, 380, "status: conditions, reasons, revision, addresses"),
        ),
    )


def roles() -> Picture:
    """A platform: its roles, their instances, and the components of each."""
    stores = Tone.DATA

    def core(x: int, name: str) -> list[Box | Frame]:
        return [
            Frame(x, 112, 184, 256, f"instance {name}"),
            Box(x + 12, 140, 160, 30, "", ("reverse-proxy",)),
            Box(x + 12, 178, 160, 48, "", ("core, hfs, preview,", "webhooks, mfa")),
            Box(x + 12, 234, 160, 30, "", ("mongodb",), stores),
            Box(x + 12, 272, 160, 30, "", ("influxdb",), stores),
            Label(x + 92, 328, f"{name}.DOMAIN"),
            Label(x + 92, 348, "USERNAME.DOMAIN"),
        ]

    return Picture(
        800,
        420,
        "Clients use the DNS of reg-master to find names of the domain. reg-master has the "
        "instance reg with register, dns, mail, redis and a reverse proxy. core has an instance "
        "for each core, with core, hfs, preview, webhooks, mfa, mongodb, influxdb and a reverse "
        "proxy. static has the instance sw with the web pages.",
        (
            Box(16, 14, 768, 34, "", ("clients: DNS 53/udp, HTTPS 443",), Tone.OUTSIDE),
            Arrow(((108, 48), (108, 78))),
            Arrow(((392, 48), (392, 78))),
            Arrow(((692, 48), (692, 78))),
            Frame(8, 78, 200, 332, "role reg-master"),
            Frame(16, 112, 184, 256, "instance reg"),
            Box(28, 140, 160, 30, "", ("reverse-proxy",)),
            Box(28, 178, 160, 48, "", ("register, dns,", "mail")),
            Box(28, 234, 160, 30, "", ("redis",), stores),
            Label(108, 328, "reg.DOMAIN"),
            Label(108, 345, "mail.DOMAIN"),
            Label(108, 362, "dns1.DOMAIN"),
            Frame(216, 78, 400, 332, "role core"),
            *core(224, "co1"),
            *core(424, "co2"),
            Frame(624, 78, 168, 332, "role static"),
            Frame(632, 112, 152, 256, "instance sw"),
            Box(642, 140, 132, 30, "", ("reverse-proxy",)),
            Box(642, 178, 132, 48, "", ("app-web-auth3",)),
            Label(708, 328, "sw.DOMAIN"),
            Label(708, 348, "mfa.DOMAIN"),
            Label(108, 394, "accounts, DNS, e-mail"),
            Label(416, 394, "the users' data"),
            Label(708, 394, "web pages"),
        ),
    )


def rollout() -> Picture:
    """The order of a change."""

    def instance(x: int, name: str, *steps: str) -> list[Box | Frame | Arrow]:
        y = [76 + 54 * number for number in range(len(steps))]
        return [
            Frame(x, 44, 178, 254, name),
            *(
                Box(
                    x + 12, top, 154, 38, "", (step,), Tone.DATA if step in STORES else Tone.CLUSTER
                )
                for top, step in zip(y, steps, strict=True)
            ),
            *(Arrow(((x + 89, top - 16), (x + 89, top))) for top in y[1:]),
        ]

    return Picture(
        800,
        352,
        "A change goes through reg, then co1, co2 and sw. In each it goes through the stores, "
        "register, the other services and the reverse proxy. A step begins when all of the step "
        "before is Ready. If co1 fails, co2 and sw keep the old configuration.",
        (
            Label(
                16, 28, "a step begins when every component of the step before is Ready", "start"
            ),
            *instance(8, "reg", "redis", "register", "dns, mail", "reverse-proxy"),
            Arrow(((186, 171), (210, 171))),
            *instance(210, "co1", "mongodb, influxdb", "core, hfs, …", "reverse-proxy"),
            Arrow(((388, 171), (412, 171))),
            *instance(412, "co2", "mongodb, influxdb", "core, hfs, …", "reverse-proxy"),
            Arrow(((590, 171), (614, 171))),
            *instance(614, "sw", "app-web-auth3", "reverse-proxy"),
            Arrow(((210, 322), (390, 322))),
            Label(300, 342, "a failure here …"),
            Arrow(((412, 322), (792, 322)), dashed=True),
            Label(602, 342, "… leaves these as they were"),
        ),
    )


def exposure() -> Picture:
    """Three ways to reach a platform."""
    way = Tone.OUTSIDE
    return Picture(
        800,
        348,
        "Three ways to publish a platform: a load balancer for each role; one address with a "
        "proxy that passes TLS on by server name; one address with the role singlenode.",
        (
            Label(128, 24, "a load balancer per role"),
            Box(8, 40, 76, 44, "", ("LB",), way),
            Box(90, 40, 76, 44, "", ("LB",), way),
            Box(172, 40, 76, 44, "", ("LB",), way),
            *(Arrow(((x, 84), (x, 150))) for x in (46, 128, 210)),
            Frame(2, 128, 252, 122, ""),
            Box(8, 150, 76, 84, "reg", ("443, 80,", "53/udp")),
            Box(90, 150, 76, 84, "co1 …", ("443, 80",)),
            Box(172, 150, 76, 84, "sw", ("443",)),
            Label(128, 274, "one address each,"),
            Label(128, 292, "any number of cores"),
            Label(400, 24, "one address, TLS passed on by name"),
            Box(282, 40, 236, 44, "proxy, Gateway (TLSRoute)", ("443 by SNI, 53/udp",), way),
            *(Arrow(((x, 84), (x, 150))) for x in (318, 400, 482)),
            Frame(274, 128, 252, 122, ""),
            Box(280, 150, 76, 84, "reg", ("reg., mail.,", "access.")),
            Box(362, 150, 76, 84, "co1", ("all other", "names")),
            Box(444, 150, 76, 84, "sw", ("sw., mfa.",)),
            Label(400, 274, "address of every role:"),
            Label(400, 292, "the proxy's; one core"),
            Label(672, 24, "one address, one role"),
            Box(590, 40, 164, 44, "", ("LB: 443, 53/udp",), way),
            Arrow(((672, 84), (672, 150))),
            Frame(584, 128, 176, 122, ""),
            Box(590, 150, 164, 84, "singlenode", ("all names of", "the domain")),
            Label(672, 274, "one instance"),
            Label(672, 292, "of everything"),
            Label(400, 332, "TLS ends in the platform's own reverse proxies in all three"),
        ),
    )


#: Base name of the file in docs/images → picture.
PICTURES: Final[Mapping[str, Callable[[], Picture]]] = {
    "data-flow": data_flow,
    "exposure": exposure,
    "roles": roles,
    "rollout": rollout,
}
