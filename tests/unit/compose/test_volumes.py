"""Volumes of compose files: every form of the specification."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.compose.error import ComposeError
from pryv_operator.compose.model import Mount
from pryv_operator.compose.parse import parse_compose
from pryv_operator.compose.volumes import Mounts, read_tmpfs, read_volumes

_words = st.from_regex(r"[a-z][a-z0-9_.-]{0,5}", fullmatch=True)
_folders = st.lists(_words, min_size=1, max_size=3).map("/".join)
_roots = st.sampled_from(
    [
        "./", "$PRYV_CONF_ROOT/pryv/", ".//", "./x/../", "././/", "$PRYV_CONF_ROOT//pryv/",
        "$PRYV_CONF_ROOT/./pryv//", "$PRYV_CONF_ROOT/.//./pryv/./",
    ]
)  # fmt: skip
_ends = st.sampled_from(["", "/", "//", "/."])
_flags = st.lists(st.sampled_from(["z", "Z", "cached", "delegated", "consistent", "nocopy", "rw"]))


def read(*entries: Any, named: tuple[str, ...] = ("data",)) -> Mounts:
    return read_volumes("services.core.volumes", entries, named)


@given(_roots, _folders, _ends, _folders, _ends, _flags, st.booleans())
def test_flags_without_a_meaning_in_pods_change_nothing(
    root: str, source: str, end: str, target: str, end_of_target: str, flags: list[str], ro: bool
) -> None:
    options = ",".join([*flags, *(["ro"] if ro else [])])
    text = f"{root}{source}{end}:/{target}{end_of_target}" + (f":{options}" if options else "")
    assert read(text) == Mounts((Mount(source, f"/{target}", ro),), ())


@given(
    _roots | st.sampled_from(["/", "~/"]),
    _folders,
    _folders,
    st.sampled_from(["", "true", "false"]),
)
def test_the_long_form_of_a_path_is_the_short_one(
    root: str, source: str, target: str, read_only: str
) -> None:
    long = {
        "type": "bind",
        "source": root + source,
        "target": f"/{target}/",
        "bind": {"selinux": "z"},
    }
    long |= {"read_only": read_only} if read_only else {}
    end = ":ro" if read_only == "true" else ""
    assert read(long) == read(f"{root}{source}:/{target}{end}")


@given(_folders)
def test_a_path_of_the_long_form_needs_no_dot(source: str) -> None:
    long = {"type": "bind", "source": source, "target": "/x"}
    assert read(long) == read(f"./{source}:/x")


@given(_folders, st.booleans())
def test_the_long_form_of_a_volume_is_the_short_one(target: str, ro: bool) -> None:
    long = {
        "type": "volume",
        "source": "data",
        "target": f"/{target}",
        "volume": {"nocopy": "true"},
    }
    long |= {"read_only": "yes"} if ro else {}
    assert read(long) == read(f"data:/{target}" + (":ro" if ro else ""))
    assert read(long).mounts[0].kind == "volume"


@given(_folders, st.sampled_from([None, "1024", "64k", "64K", "64kb", "64KiB", "2g"]))
def test_the_long_form_of_a_tmpfs_is_the_key_tmpfs(target: str, size: str | None) -> None:
    long: dict[str, Any] = {"type": "tmpfs", "target": f"/{target}"}
    long |= {"tmpfs": {"size": size}} if size else {}
    text = f"/{target}/" + (f":size={size}" if size else "")
    assert read(long) == read_tmpfs("t", [text])
    sizes = {None: None, "1024": 1024, "2g": 2 << 30}
    assert read(long).mounts[0].size == sizes.get(size, 64 << 10)


def test_of_several_mounts_at_one_target_the_last_is_used() -> None:
    (service,) = parse_compose(
        "services: {core: {image: core:1, volumes: ['./a:/x', './b:/y', '/srv:/x/:ro'],"
        " tmpfs: [/y, /z]}}"
    ).services
    assert set(service.mounts) == {
        Mount("/srv", "/x", read_only=True),
        Mount("b", "/y", read_only=False),
        Mount("", "/z", read_only=False, kind="tmpfs"),
    }


def test_what_is_beside_the_folder_of_the_role_is_a_path_of_the_host() -> None:
    (found,) = read("$PRYV_CONF_ROOT/other/x:/x").mounts
    assert found.is_host_path
    assert not found.is_role_path


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        *(
            (entry, "an entry is not of the form")
            for entry in (
                "",
                ":",
                "./x:",
                ":/x",
                "./x:x",
                "./x:/y:",
                "./x:/y:ro:z",
                ".:/x",
                "./:/x",
                "../x:/y",
                "./x/../../y:/z",
                "$PRYV_CONF_ROOT/pryv:/x",
                "/srv/../x:/y",
                None,
                ["./x:/y"],
                {"type": "bind", "source": "./x"},
                {"type": "bind", "source": "./x", "target": "y"},
            )
        ),
        ("/app/data", "'/app/data' has no source"),
        ({"type": "volume", "target": "/app/data"}, "'/app/data' has no source"),
        ("other:/x", "'other' is neither in"),
        ("x/conf:/x", "'x/conf' is neither in"),
        ({"type": "volume", "source": "other", "target": "/x"}, "'other' is neither in"),
        (
            {"type": "volume", "source": "data", "target": "/x", "volume": {"subpath": "a"}},
            "subpath",
        ),
        (
            {"type": "image", "source": "a", "target": "/x"},
            "an entry is not of type bind or volume",
        ),
        ({"type": "bind", "target": "/x"}, "an entry is not of type bind or volume"),
        ({"source": "./x", "target": "/x"}, "an entry is not of type bind or volume"),
        ({"type": ["bind"], "target": "/x"}, "type of an entry is not a text"),
        ({"type": "bind", "source": "./x", "target": "/x", "read_only": "maybe"}, "read_only"),
        ({"type": "tmpfs", "target": "/x", "tmpfs": {"size": "much"}}, "the size of a tmpfs"),
    ],
)
def test_what_is_no_volume_is_refused(entry: Any, message: str) -> None:
    with pytest.raises(ComposeError) as raised:
        read(entry)
    assert str(raised.value).startswith("services.core.volumes: ")
    assert message in str(raised.value)


@given(_folders, st.sampled_from(["//", "/./", "/.//./"]))
def test_paths_of_the_host_are_compared_without_empty_parts(path: str, between: str) -> None:
    spelled = between + path.replace("/", between) + between
    assert read(f"{spelled}:/x") == read(f"/{path}:/x")


@pytest.mark.parametrize("target", ["/", "//", "/.", "/./", "/..", "/x/.."])
def test_nothing_is_mounted_at_the_root(target: str) -> None:
    for read_one in (
        lambda: read(f"./x:{target}"),
        lambda: read(f"data:{target}:ro"),
        lambda: read({"type": "bind", "source": "/srv", "target": target}),
        lambda: read_tmpfs("services.core.volumes", [target]),
    ):
        with pytest.raises(ComposeError, match=r'^services.core.volumes: a volume at "/" would'):
            read_one()
