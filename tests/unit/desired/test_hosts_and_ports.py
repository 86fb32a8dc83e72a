"""Hosts with ports: those that a regular expression finds, in the time of a search."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from pryv_operator.desired.hosts_and_ports import hosts_and_ports
from pryv_operator.objects.upstreams import public_upstreams
from tests.examples import examples

FOUND = re.compile(r"(?<![\w.-])([\w.-]+):(\d{2,5})\b")
UPSTREAM = re.compile(
    r"^[^#\n]*\b(?:server|proxy_pass)\s+(?:https?://)?(pryv\.github\.io)(?![\w.-])", re.MULTILINE
)
PIECES = st.sampled_from(
    ["core", "a.b-c", ":", "80", "3000", "123456", "7", " ", "/", "_", "é", "٣٤", "\n", "-", "."]
)
NGINX = st.sampled_from(
    ["server", "proxy_pass", " ", "\n", "#", "https://", "pryv.github.io", "x", ";", "_", "."]
)


@settings(max_examples=examples(1000))
@given(st.lists(PIECES, max_size=14).map("".join))
def test_finds_what_the_expression_finds(text: str) -> None:
    expected = [(host, int(port)) for host, port in FOUND.findall(text)]
    assert list(hosts_and_ports(text)) == expected


def test_of_a_configuration_file() -> None:
    text = "server core:3000; server 10.0.0.1:80\nimage: a/b:1.2:ro register:9000, x::22"
    assert list(hosts_and_ports(text)) == [("core", 3000), ("10.0.0.1", 80), ("register", 9000)]


@settings(max_examples=examples(1000))
@given(st.lists(NGINX, max_size=10).map("".join))
def test_public_upstreams_are_those_outside_of_comments(text: str) -> None:
    assert public_upstreams([text]) == frozenset(UPSTREAM.findall(text))
