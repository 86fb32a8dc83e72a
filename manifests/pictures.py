"""The pictures of the docs: each is drawn by a function of its name; see `drawing.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from manifests.drawing import Arrow, Box, Frame, Label, Picture, Tone


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
    operator = [
        Frame(268, 22, 236, 306, "pryv-operator"),
        Box(
            284,
            56,
            204,
            66,
            "1. Render",
            ("the files of every role,", "as Pryv's leader does"),
            Tone.OPERATOR,
        ),
        Box(
            284,
            152,
            204,
            66,
            "2. Compare",
            ("with what is live: only", "differences are applied"),
            Tone.OPERATOR,
        ),
        Box(
            284,
            248,
            204,
            66,
            "3. Roll out",
            ("step by step; a failed", "step stops the rest"),
            Tone.OPERATOR,
        ),
    ]
    cluster = [
        Frame(560, 22, 224, 306, "namespace of the platform"),
        Box(
            576,
            56,
            192,
            66,
            "ConfigMaps, Secrets",
            ("files, in objects", "named by content"),
            Tone.DATA,
        ),
        Box(
            576, 152, 192, 66, "Workloads", ("one per component", "of each instance"), Tone.CLUSTER
        ),
        Box(576, 248, 192, 66, "Pods", ("register, dns, core,", "mongodb, …"), Tone.CLUSTER),
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


#: Base name of the file in docs/images → picture.
PICTURES: Final[Mapping[str, Callable[[], Picture]]] = {"data-flow": data_flow}
