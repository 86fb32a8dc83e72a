"""Boxes and arrows as SVG: what the pictures of the docs are drawn with.

A picture is a text in the repository and a function of it, so it needs no program and cannot be
stale. It has to be readable on a white and on a dark page: boxes have their own ground, and all
else is a grey that contrasts with both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final
from xml.sax.saxutils import escape

#: Contrasts with white and with the dark pages of GitHub and of the site by 4 to 1 or more.
GREY: Final = "#7a828e"
_FONT: Final = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif"
_INK: Final = "#14213d"
_LINE: Final = 17


class Tone(Enum):
    """What a box stands for: its ground and its edge."""

    USER = ("#dbe9ff", "#3f6fc4")
    OPERATOR = ("#e5defc", "#7357c9")
    CLUSTER = ("#d8f3e3", "#2f8f5b")
    DATA = ("#ffeccc", "#c07a17")
    OUTSIDE = ("#eceff3", "#6b7480")
    FAILED = ("#fddede", "#c23b3b")


@dataclass(frozen=True)
class Box:
    """A box with a title in bold and lines below it, all centred."""

    x: int
    y: int
    width: int
    height: int
    title: str
    lines: Sequence[str] = ()
    tone: Tone = Tone.CLUSTER

    def svg(self) -> str:
        """The elements of the box."""
        ground, edge = self.tone.value
        centre = self.x + self.width // 2
        texts = [self.title, *self.lines] if self.title else list(self.lines)
        top = self.y + (self.height - _LINE * len(texts)) // 2 + 13
        parts = [
            (
                f'<rect x="{self.x}" y="{self.y}" width="{self.width}" height="{self.height}" '
                f'rx="6" fill="{ground}" stroke="{edge}"/>'
            )
        ]
        for number, text in enumerate(texts):
            weight = ' font-weight="600"' if number == 0 and self.title else ""
            parts.append(
                f'<text x="{centre}" y="{top + _LINE * number}" text-anchor="middle"{weight} '
                f'fill="{_INK}">{escape(text)}</text>'
            )
        return "\n".join(parts)


@dataclass(frozen=True)
class Frame:
    """A dashed frame around boxes, with its name at the top left."""

    x: int
    y: int
    width: int
    height: int
    title: str

    def svg(self) -> str:
        """The elements of the frame."""
        return (
            f'<rect x="{self.x}" y="{self.y}" width="{self.width}" height="{self.height}" rx="8" '
            f'fill="none" stroke="{GREY}" stroke-dasharray="5 4"/>\n'
            f'<text x="{self.x + 10}" y="{self.y + 19}" fill="{GREY}" font-weight="600">'
            f"{escape(self.title)}</text>"
        )


@dataclass(frozen=True)
class Label:
    """A line of text; ``anchor`` is `start`, `middle` or `end`."""

    x: int
    y: int
    text: str
    anchor: str = "middle"

    def svg(self) -> str:
        """The text element."""
        return (
            f'<text x="{self.x}" y="{self.y}" text-anchor="{self.anchor}" fill="{GREY}">'
            f"{escape(self.text)}</text>"
        )


@dataclass(frozen=True)
class Arrow:
    """A line through points, with a head at its end."""

    points: Sequence[tuple[int, int]]
    dashed: bool = False

    def svg(self) -> str:
        """The line."""
        points = " ".join(f"{x},{y}" for x, y in self.points)
        dash = ' stroke-dasharray="5 4"' if self.dashed else ""
        return (
            f'<polyline points="{points}" fill="none" stroke="{GREY}" stroke-width="1.5"{dash} '
            'marker-end="url(#head)"/>'
        )


@dataclass(frozen=True)
class Picture:
    """A picture: its size, what it shows (for those who cannot see it), and its parts in order."""

    width: int
    height: int
    description: str
    parts: Sequence[Box | Frame | Label | Arrow]

    def svg(self, comment: str) -> str:
        """The file's content, with a comment at its top."""
        size = f'viewBox="0 0 {self.width} {self.height}"'
        font = f'font-family="{_FONT}" font-size="13"'
        head = f'<path d="M0,0 L10,5 L0,10 z" fill="{GREY}"/>'
        return "\n".join(
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" {size} width="{self.width}" role="img"',
                f"  {font}>",
                f"<!-- {comment} -->",
                f"<title>{escape(self.description)}</title>",
                '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7"',
                f'  markerHeight="7" orient="auto">{head}</marker></defs>',
                *(part.svg() for part in self.parts),
                "</svg>\n",
            )
        )
