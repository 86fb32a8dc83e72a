"""The docs keep to the words of the field, and to sentences that are quickly read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = sorted([*ROOT.glob("docs/*.md"), ROOT / "README.md"])
#: Their sentences are rules of the API, lists of files, and help of commands.
GENERATED: Final = ("cli.md", "reference.md", "variables.md")
#: Words of a sentence, at most.
LONGEST: Final = 25
#: Not used → what Kubernetes' and Pryv's own docs say. Only words without another honest meaning.
WORDS: Final = {
    r"\bclaims?\b": "PVC, or PersistentVolumeClaim",
    r"\bmend(s|ed|ing)?\b": "fix, repair; restored for drift",
    r"\bis none\b": "is not a valid …",
    r"\b(made|created) anew\b|\banew\b": "recreated",
    r"\bmade again\b": "recreated",
    r"\bleft out\b": "omitted",
    r"\bpassed over\b": "ignored",
    r"\bsays so\b": "reported",
    r"\b(is|are|was|were) told\b": "reported",
    r"\bheld (back|up)\b": "blocked, or waiting",
    r"\bin the way\b": "conflicting",
    r"\bsomebody\b": "another client",
    r"\bby hand\b": "manually",
    r"\bthings?\b": "component, or its name",
    r"\blook again\b": "requeue",
    r"\bstands by\b": "standby",
    r"\bthere (is|are) no\b": "… not found, or no …",
    r"\ba pass\b|\bpasses of\b": "reconciliation",
}
#: What ends with a dot and does not end a sentence.
_ABBREVIATIONS: Final = re.compile(r"\b(e\.g|i\.e|etc|vs|No)\.")
_END: Final = re.compile(r"(?<=[.!?;])[)\"]*\s+|(?<=:)\s+(?=[A-Z])")
_WORD: Final = re.compile(r"[\w'-]+")


def texts(page: str) -> Iterator[tuple[int, str]]:
    """Line and text of each paragraph, list entry, heading and cell, with code as one word."""
    for token in MarkdownIt("commonmark").enable("table").parse(page):
        if token.type == "inline":
            assert token.map is not None
            yield token.map[0] + 1, "".join(_text(each) for each in token.children or ())


def _text(token: Token) -> str:
    if token.type == "code_inline":
        return "x"
    if token.type in ("softbreak", "hardbreak"):
        return " "
    if token.type == "image":
        return ""
    return token.content if token.type == "text" else ""


def sentences(text: str) -> list[str]:
    """The sentences of a text. A semicolon ends one, and a colon if a capital follows."""
    return [each for each in _END.split(_ABBREVIATIONS.sub("x", text)) if each.strip()]


def words(sentence: str) -> int:
    """Number of words: what has a letter or digit."""
    return len(_WORD.findall(sentence))


def relative(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_words_are_those_of_the_field(page: Path) -> None:
    found = [
        f"{relative(page)}:{line}: {match[0]!r}: write {better}"
        for line, text in texts(page.read_text(encoding="utf-8"))
        for pattern, better in WORDS.items()
        for match in re.finditer(pattern, text, re.IGNORECASE)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name not in GENERATED], ids=relative
)
def test_sentences_are_short(page: Path) -> None:
    long = [
        f"{relative(page)}:{line}: {words(sentence)} words: {sentence}"
        for line, text in texts(page.read_text(encoding="utf-8"))
        for sentence in sentences(text)
        if words(sentence) > LONGEST
    ]
    assert not long, "\n".join(long)


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_a_page_begins_with_what_the_reader_can_do(page: Path) -> None:
    if page.name in ("README.md", "reference.md"):
        pytest.skip("an entrance, and a page for look-up")
    paragraphs = [text for _, text in texts(page.read_text(encoding="utf-8"))]
    assert re.match(r"After this page (you|an?)\b", paragraphs[1]), paragraphs[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two.", ["One.", "Two."]),
        ("This, e.g. that one", ["This, x that one"]),
        ("It ends (here.) Then more", ["It ends (here.", "Then more"]),
        ("A: b; c and D", ["A: b;", "c and D"]),
        ("Note: One", ["Note:", "One"]),
        ("Version 1.9 is new", ["Version 1.9 is new"]),
    ],
)
def test_sentences_are_found(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected
