"""Which stand-in an image of an older release is."""

from __future__ import annotations

from typing import Final

from tests.e2e.images.build import OLDER
from tests.e2e.images.release import images_of_release, name_of

#: The first release of each with the files, and the start, of the built-in one's.
_SINCE: Final = {
    **dict.fromkeys(("core", "hfs", "preview", "webhooks"), (1, 7)),
    "mongodb": (1, 9),
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
    if version < _SINCE.get(name, (0,)):
        return OLDER[f"{name}-1.6"]
    return {name_of(each): each for each in images_of_release()}[name]
