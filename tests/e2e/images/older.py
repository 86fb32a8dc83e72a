"""Which stand-in an image of an older release is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tests.e2e.images.build import OLDER
from tests.e2e.images.release import images_of_release, name_of

#: What stands for a service of a release before this one, oldest first; else the built-in's does.
_BEFORE: Final[Mapping[str, Sequence[tuple[tuple[int, int], str]]]] = {
    "core": (((1, 7), "core-1.6"), ((1, 9), "core-1.7")),
    **{name: (((1, 7), f"{name}-1.6"),) for name in ("hfs", "preview", "webhooks")},
    "mongodb": (((1, 9), "mongodb-1.6"),),
}


def stand_in_of(image: str) -> str:
    """The image, among those of `build.ensure_archive`, that stands for an image of any release.

    Raises:
        KeyError: there is none.
    """
    name = name_of(image)
    if name in OLDER:
        return OLDER[name]
    version = tuple(int(part) for part in image.rpartition(":")[2].split("."))
    for before, older in _BEFORE.get(name, ()):
        if version < before:
            return OLDER[older]
    return {name_of(each): each for each in images_of_release()}[name]
