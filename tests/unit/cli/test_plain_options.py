"""Options that are read without pydantic are read as typer reads them."""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pryv_operator.cli import main
from pryv_operator.cli.plain_options import plain_options


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


def command(
    *,
    file: Annotated[Path | None, typer.Option()] = None,
    on: Annotated[bool, typer.Option("--on")] = False,
    elect: Annotated[bool | None, typer.Option()] = None,
    name: Annotated[list[str] | None, typer.Option()] = None,
    colour: Annotated[Colour, typer.Option()] = Colour.RED,
    paint: Annotated[list[Colour] | None, typer.Option()] = None,
    count: Annotated[int, typer.Option(min=2, max=15)] = 15,
    seconds: Annotated[float, typer.Option(min=0.5)] = 1.0,
    text_here: Annotated[str, typer.Option()] = "x",
) -> None:
    CALLS.append(dict(locals()))


CALLS: list[dict[str, Any]] = []
PROGRAM = typer.Typer()
PROGRAM.command()(command)

OPTIONS = ["file", "on", "no-on", "elect", "no-elect", "name", "colour", "paint", "count"]
OPTIONS += ["seconds", "text-here", "unknown"]
VALUES = st.sampled_from(
    [
        "",
        "-",
        "--on",
        "a",
        "a b",
        "=",
        "./x/",
        "red",
        "RED",
        "2",
        "1",
        "02",
        "16",
        "+3",
        " 4",
        "1_0",
        "0.5",
        "0.25",
        "1e3",
        "5.",
        ".5",
        "nan",
        "inf",
        "٣",
    ]
)
WORD = st.builds(
    lambda name, form, value: {
        "flag": [f"--{name}"],
        "equals": [f"--{name}={value}"],
        "apart": [f"--{name}", value],
        "bare": [value],
    }[form],
    st.sampled_from(OPTIONS),
    st.sampled_from(["flag", "equals", "apart", "apart", "bare"]),
    VALUES,
)


def as_typer_reads(words: list[str]) -> dict[str, Any] | None:
    CALLS.clear()
    answer = CliRunner().invoke(PROGRAM, words)
    return CALLS[0] if answer.exit_code == 0 and CALLS else None


@given(st.lists(WORD, max_size=3))
def test_options_are_read_as_by_typer(words: list[list[str]]) -> None:
    flat = [word for each in words for word in each]
    found = plain_options(command, flat)
    if found is not None:
        expected = as_typer_reads(flat)
        assert expected is not None
        assert {key: value or None for key, value in found.items()} == {
            key: value or None for key, value in expected.items()
        }
        assert [type(value) for value in found.values() if value] == [
            type(value) for value in expected.values() if value
        ]


@pytest.mark.parametrize(
    "words",
    [
        ["--in-cluster", "--log-format=json", "--resync-seconds=300", "--lease-seconds=15"],
        [
            "--kubeconfig",
            "file",
            "--no-leader-election",
            "--allow=externalIPs",
            "--batch-seconds=0",
        ],
        ["--namespace=a", "--namespace", "b", "--listen=127.0.0.1:0", "--metrics-auth"],
    ],
)
def test_the_usual_options_of_the_operator_are_plain(words: list[str]) -> None:
    assert plain_options(main.run, words) is not None


@pytest.mark.parametrize("words", [["--help"], ["--lease-seconds=1"], ["--no-metrics-auth"]])
def test_the_rest_is_left_to_typer(words: list[str]) -> None:
    assert plain_options(main.run, words) is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run"], "no cluster selected"),
        (["run", "--in-cluster", "--listen=here"], '"here" is not ADDRESS:PORT'),
        (["run", "--kubeconfig=/no/such/file"], "credentials of the cluster cannot be read"),
        (["run", "--lease-seconds=1"], "--lease-seconds"),
        (["version", "--in-cluster"], "--in-cluster"),
    ],
)
def test_errors_are_reported_by_typer(
    words: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["pryv-operator", *words])
    with pytest.raises(SystemExit) as end:
        main.operator()
    assert end.value.code == 2
    printed = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert "Usage:" in printed
    assert message in printed
