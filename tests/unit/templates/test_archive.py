"""Archives: every layout is read; hostile ones are refused by name and in little memory."""

from __future__ import annotations

import gzip
import io
import os
import random
import tarfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pryv_operator.leader.listing import is_written_by_follower
from pryv_operator.leader.taint import Value
from pryv_operator.rendering.files import render
from pryv_operator.templates.archive import read_archive
from pryv_operator.templates.archive_limits import UNPACKED_LIMIT, ArchiveError
from pryv_operator.templates.leader_archive import read_leader_archive, read_leader_files
from pryv_operator.templates.leader_conf import LeaderError
from pryv_operator.templates.leader_folder import read_leader
from tests.examples import examples
from tests.unit.templates import archives
from tests.unit.templates.archives import (
    END,
    follower_files,
    header,
    layouts,
    member,
    padded,
    pax,
    release_files,
    tar,
    tgz,
    zipped,
)

RELEASES = (
    "1.6.12-cluster",
    "1.7.3-single-node",
    "1.9.2-cluster",
    "1.9.2-single-node",
    "2019-seed-era",
)
MIB = 1024 * 1024
#: Bytes of memory that reading an archive may take.
MEMORY_LIMIT = 50 * MIB

SMALL_LEADER: Mapping[str, bytes] = {
    "conf/platform.yml": b"vars:\n  G:\n    settings:\n      DOMAIN: {value: REPLACE_ME}\n",
    "conf/config-leader.json": b'{"internals": {"CORE_SYSTEM_KEY": "SECRET"}, "followers": {}}',
    **{f"data/{role}/pryv.yml": b"services: {}\n" for role in ("core", "reg-master", "static")},
}


class TestLayouts:
    """The layouts Pryv hands out, and those that users pack."""

    @pytest.mark.parametrize("release", RELEASES)
    def test_every_layout_gives_the_same_leader(self, shared_pryv: Path, release: str) -> None:
        files = release_files(shared_pryv / "releases", release)
        expected = read_leader(files)
        for name, data in layouts(files, "1.2.3").items():
            found = read_leader_archive(data)
            assert found.bundle.roles == expected.bundle.roles, name
            assert found.order == expected.order, name
            assert list(found.order) == list(expected.order), name

    @pytest.mark.parametrize("release", RELEASES)
    def test_the_outer_archive_renders_to_the_leaders_bytes(
        self, shared_pryv: Path, release: str
    ) -> None:
        releases = shared_pryv / "releases"
        leader = read_leader_archive(layouts(release_files(releases, release), "1.2.3")["outer"])
        rendered = render(
            leader.bundle,
            {name: Value(value) for name, value in leader.order.items()},
            order="leader",
        )
        given = {
            f"{role}/{file.path}": file.content
            for role, files in rendered.items()
            for file in files
        }
        wanted = archives.folder(releases / release / "expected")
        assert given == {
            path: content
            for path, content in wanted.items()
            if is_written_by_follower(path.partition("/")[2])
        }

    def test_a_small_leader_in_every_layout(self) -> None:
        for name, data in layouts(SMALL_LEADER, "9.9.9").items():
            assert set(read_leader_archive(data).bundle.roles) == {
                "core",
                "reg-master",
                "static",
            }, name

    def test_an_open_file_is_read_as_well(self) -> None:
        assert read_leader_archive(io.BytesIO(tgz(SMALL_LEADER))) == read_leader_archive(
            tgz(SMALL_LEADER)
        )

    def test_only_the_leaders_files_are_held(self) -> None:
        files = archives.below(
            "reg-master/config-leader",
            {**SMALL_LEADER, "database/users.db": b"x", "ssl/key.pem": b"k"},
        )
        assert read_leader_files(tgz(follower_files("reg-master") | files)) == SMALL_LEADER

    def test_macos_companion_files_are_ignored(self) -> None:
        assert (
            read_leader_files(
                tgz({**SMALL_LEADER, "data/core/._pryv.yml": b"\0\1", "conf/._platform.yml": b"\0"})
            )
            == SMALL_LEADER
        )

    def test_a_damaged_archive_of_another_role_is_ignored(self) -> None:
        outer = {
            "p-core1.tgz": b"\x1f\x8bdamaged",
            "p-reg-master.tgz": tgz(archives.reg_master(SMALL_LEADER)),
        }
        assert (
            read_leader_files(tgz(outer))["conf/platform.yml"] == SMALL_LEADER["conf/platform.yml"]
        )

    @pytest.mark.parametrize("role", ["core1", "core2", "reg-slave", "static"])
    def test_an_archive_without_templates_is_reported(self, role: str) -> None:
        with pytest.raises(ArchiveError, match=rf"\({role}\).*no templates.*reg-master") as failure:
            read_leader_archive(tgz(follower_files(role)))
        assert failure.value.reason == "ArchiveNoTemplates"

    def test_an_outer_archive_without_reg_master_is_reported(self) -> None:
        with pytest.raises(ArchiveError, match="no leader's folder") as failure:
            read_leader_archive(
                tgz({f"p-{role}.tgz": tgz(follower_files(role)) for role in ("core1", "static")})
            )
        assert failure.value.reason == "ArchiveNoTemplates"

    def test_several_leaders_are_refused(self) -> None:
        with pytest.raises(ArchiveError, match=r"\(a, b\)") as failure:
            read_leader_archive(
                tgz(archives.below("a", SMALL_LEADER) | archives.below("b", SMALL_LEADER))
            )
        assert failure.value.reason == "ArchiveSeveralLeaders"

    def test_a_folder_with_templates_is_preferred(self) -> None:
        saved = {
            path: content for path, content in SMALL_LEADER.items() if path.startswith("conf/")
        }
        assert (
            read_leader_files(tgz(archives.below("a", saved) | archives.below("b", SMALL_LEADER)))
            == SMALL_LEADER
        )

    def test_archives_are_not_opened_two_levels_down(self) -> None:
        with pytest.raises(ArchiveError) as failure:
            read_leader_archive(tgz({"a.tgz": tgz({"reg-master.tgz": tgz(SMALL_LEADER)})}))
        assert failure.value.reason == "ArchiveNoTemplates"


class TestReading:
    """Reading, apart from the layouts."""

    def test_files_by_path(self) -> None:
        long = "/".join(["folder-with-a-rather-long-name"] * 9)
        files = {"a": b"", "b/c é.txt": b"x" * 700, f"{long}/d": b"y" * 512}
        for tar_format in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
            assert (
                read_archive(tgz(files, folders=["b", "b", "./"], tar_format=tar_format)) == files
            )

    def test_a_global_header_as_git_writes_it(self) -> None:
        assert read_archive(
            zipped(pax({"comment": b"0" * 40}, tarfile.XGLTYPE) + member(b"a"))
        ) == {"a": b"x"}

    def test_other_pax_records_are_ignored(self) -> None:
        assert read_archive(
            zipped(pax({"mtime": b"1.5", "SCHILY.xattr.user.x": b"a=b\nc"}) + member(b"a"))
        ) == {"a": b"x"}

    def test_one_end_block_is_enough_and_padding_is_fine(self) -> None:
        assert read_archive(zipped(member(b"a"), bytes(512))) == {"a": b"x"}
        assert read_archive(zipped(member(b"a"), bytes(20 * 512))) == {"a": b"x"}

    @given(
        st.dictionaries(
            st.text("abé.-", min_size=1, max_size=5).filter(lambda name: name.strip(".")),
            st.binary(max_size=2000),
            max_size=6,
        )
    )
    def test_packed_files_are_read_back(self, files: dict[str, bytes]) -> None:
        assert read_archive(tgz(files)) == files
        assert read_archive(tar(files)) == files


# --- hostile archives ---


def _many(count: int) -> bytes:
    return gzip.compress(
        b"".join(header(b"d/%d" % number) for number in range(count)) + END, compresslevel=1
    )


def _many_records(headers: int) -> bytes:
    """Extended headers of 14 KiB, with 2,048 records each."""
    one = member(b"PaxHeaders/x", b"7 ab=c\n" * 2048, tarfile.XHDTYPE)
    return zipped(
        b"".join(one + member(b"d/%d" % number, _random(number + 100)) for number in range(headers))
    )


def _random(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def _zeros(size: int) -> bytes:
    return gzip.compress(header(b"data/core/zeros", size) + bytes(size) + END)


def _split(data: bytes) -> bytes:
    """The same tar in gzip streams of 64 KiB each, each of them tiny."""
    return b"".join(
        gzip.compress(data[start : start + 65536]) for start in range(0, len(data), 65536)
    )


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :]


HOSTILE: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "a bomb of zeros": (lambda: _zeros(8 * MIB), "ArchiveCompressedTooWell", "200 times"),
    "a bomb behind the end of the tar": (
        lambda: zipped(member(b"a"), bytes(100 * MIB)),
        "ArchiveCompressedTooWell",
        "200 times",
    ),
    "a bomb in an archive in it": (
        lambda: tgz({"p-reg-master.tgz": _zeros(8 * MIB)}),
        "ArchiveCompressedTooWell",
        "p-reg-master.tgz",
    ),
    "a bomb in many gzip streams": (
        lambda: _split(tar({"a": bytes(8 * MIB)})),
        "ArchiveCompressedTooWell|ArchiveSeveralGzipStreams",
        ".",
    ),
    "a tar in two gzip streams": (
        lambda: _split(tar({"a": _random(100_000)})),
        "ArchiveSeveralGzipStreams",
        "second gzip stream",
    ),
    "a symbolic link": (
        lambda: zipped(header(b"data/core/out", kind=tarfile.SYMTYPE)),
        "ArchiveSymbolicLink",
        "data/core/out",
    ),
    "a hard link": (
        lambda: zipped(header(b"data/core/hard", kind=tarfile.LNKTYPE)),
        "ArchiveHardLink",
        "data/core/hard",
    ),
    "a character device": (
        lambda: zipped(header(b"data/null", kind=tarfile.CHRTYPE)),
        "ArchiveDevice",
        "data/null",
    ),
    "a block device": (
        lambda: zipped(header(b"data/sda", kind=tarfile.BLKTYPE)),
        "ArchiveDevice",
        "data/sda",
    ),
    "a named pipe": (
        lambda: zipped(header(b"data/pipe", kind=tarfile.FIFOTYPE)),
        "ArchiveFifo",
        "data/pipe",
    ),
    "a sparse file": (
        lambda: zipped(header(b"data/holes", kind=tarfile.GNUTYPE_SPARSE)),
        "ArchiveSparseFile",
        "data/holes",
    ),
    "a sparse file of PAX": (
        lambda: zipped(pax({"GNU.sparse.major": b"1"}) + member(b"holes")),
        "ArchiveSparseFile",
        "holes",
    ),
    "an unknown type": (
        lambda: zipped(header(b"data/odd", kind=b"Q")),
        "ArchiveUnknownMemberType",
        "data/odd",
    ),
    "an absolute path": (
        lambda: zipped(member(b"/etc/passwd")),
        "ArchiveAbsolutePath",
        "/etc/passwd",
    ),
    "a path with a drive": (lambda: zipped(member(b"C:/x")), "ArchiveAbsolutePath", "C:/x"),
    "a path with backslashes": (lambda: zipped(member(b"..\\x")), "ArchiveAbsolutePath", "x"),
    "a path out of the folder": (
        lambda: zipped(member(b"data/../../x")),
        "ArchivePathTraversal",
        r"data/\.\./\.\./x",
    ),
    "a path out of the folder, by PAX": (
        lambda: zipped(pax({"path": b"../x"}) + member(b"a")),
        "ArchivePathTraversal",
        r"\.\./x",
    ),
    "a folder out of the folder": (
        lambda: zipped(header(b"../", kind=tarfile.DIRTYPE)),
        "ArchivePathTraversal",
        r"\.\.",
    ),
    "100,000 members": (lambda: _many(100_000), "ArchiveTooManyMembers", "10000"),
    "20,000 extended headers": (
        lambda: pax({"comment": b"x"}) * 20_000 + member(b"a") + END,
        "ArchiveTooManyMembers",
        "10000",
    ),
    "100,000 equal headers": (
        lambda: zipped(pax({"comment": b"x"}) * 100_000),
        "ArchiveCompressedTooWell",
        "200 times",
    ),
    "2 GB declared": (
        lambda: zipped(header(b"data/big", 2 * 1024**3)),
        "ArchiveFileTooLarge",
        "data/big",
    ),
    "2 GB declared in base 256": (
        lambda: zipped(header(b"data/big", raw_size=b"\x80" + (2**40).to_bytes(11, "big"))),
        "ArchiveFileTooLarge",
        "data/big",
    ),
    "2 GB declared by PAX": (
        lambda: zipped(pax({"size": b"2147483648"}) + member(b"data/big")),
        "ArchiveFileTooLarge",
        "data/big",
    ),
    "an extended header of 2 GB": (
        lambda: zipped(header(b"x", 2 * 1024**3, tarfile.XHDTYPE)),
        "ArchiveExtendedHeaderTooLarge",
        "16 KiB",
    ),
    "a long name of 2 GB": (
        lambda: zipped(header(b"x", 2 * 1024**3, tarfile.GNUTYPE_LONGNAME)),
        "ArchiveExtendedHeaderTooLarge",
        "16 KiB",
    ),
    "160,000 records": (lambda: _many_records(80), "ArchiveExtendedHeadersTooLarge", "1 MiB"),
    "160,000 records in two archives": (
        lambda: tgz({"p-reg-master.tgz": _many_records(40), "p-single.tgz": _many_records(40)}),
        "ArchiveExtendedHeadersTooLarge",
        "1 MiB",
    ),
    "a negative size": (
        lambda: zipped(header(b"back", raw_size=b"\xff" * 12)),
        "ArchiveBroken",
        "back",
    ),
    "too much in all": (
        lambda: tar({f"x/{number}": bytes(7 * MIB) for number in range(10)}),
        "ArchiveTooLarge",
        "64 MiB",
    ),
    "too many templates": (
        lambda: tar({f"data/core/{number}": bytes(7 * MIB) for number in range(3)}),
        "ArchiveTooLarge",
        "16 MiB",
    ),
    "too many templates, compressed": (
        lambda: tgz({f"data/core/{number}": _random(5 * MIB + number) for number in range(4)}),
        "ArchiveTooLarge",
        "16 MiB",
    ),
    "a duplicate": (lambda: zipped(member(b"data/a") * 2), "ArchiveDuplicateMember", "data/a"),
    "a duplicate in other words": (
        lambda: zipped(member(b"data/a") + member(b"./data//a")),
        "ArchiveDuplicateMember",
        "data/a",
    ),
    "a file that is a folder too": (
        lambda: zipped(member(b"data/core/a") + member(b"data/core/a/b")),
        "ArchiveDuplicateMember",
        "data/core/a",
    ),
    "a name that is not UTF-8": (
        lambda: zipped(member(b"data/caf\xe9")),
        "ArchiveNameNotUtf8",
        "data/caf",
    ),
    "a name that is not UTF-8, by PAX": (
        lambda: zipped(pax({"path": b"caf\xe9"}) + member(b"a")),
        "ArchiveNameNotUtf8",
        "caf",
    ),
    "a NUL in a name": (lambda: zipped(member(b"a\0b")), "ArchiveControlCharacter", "a"),
    "a NUL in a name, by PAX": (
        lambda: zipped(pax({"path": b"a\0b"}) + member(b"a")),
        "ArchiveControlCharacter",
        r"a\\x00b",
    ),
    "a line break in a name": (
        lambda: zipped(member(b"a\nb")),
        "ArchiveControlCharacter",
        r"a\\nb",
    ),
    "an escape sequence in a name": (
        lambda: zipped(member(b"a\x1b[2J")),
        "ArchiveControlCharacter",
        r"a\\x1b",
    ),
    "a reversed name": (
        lambda: zipped(member("a\u202etxt".encode())),
        "ArchiveControlCharacter",
        r"a\\u202etxt",
    ),
    "an empty name": (lambda: zipped(member(b"")), "ArchiveEmptyName", "no name"),
    "a file named .": (lambda: zipped(member(b".")), "ArchiveEmptyName", "no name"),
    "a long path": (lambda: tgz({"/".join(["a" * 60] * 10): b""}), "ArchivePathTooLong", "512"),
    "a deep path": (lambda: tgz({"/".join("a" * 40): b""}), "ArchivePathTooDeep", "23"),
    "broken gzip": (
        lambda: _flipped(tgz(SMALL_LEADER), 40),
        "ArchiveBrokenGzip|ArchiveBroken",
        "damaged",
    ),
    "a wrong checksum at the end": (
        lambda: tgz(SMALL_LEADER)[:-8] + bytes(8),
        "ArchiveBrokenGzip",
        "damaged",
    ),
    "half of an archive": (lambda: tgz(SMALL_LEADER)[:200], "ArchiveTruncated", "middle"),
    "half of a plain tar": (lambda: tar(SMALL_LEADER)[:700], "ArchiveTruncated", "middle"),
    "no end": (lambda: zipped(member(b"a"), b""), "ArchiveTruncated", "middle"),
    "garbage after the tar": (
        lambda: zipped(member(b"a"), END + b"garbage"),
        "ArchiveTrailingData",
        "tar",
    ),
    "a second tar after the first": (
        lambda: zipped(member(b"a") + END + member(b"b")),
        "ArchiveTrailingData",
        "tar",
    ),
    "garbage after the gzip": (
        lambda: tgz(SMALL_LEADER) + b"garbage",
        "ArchiveTrailingData",
        "gzip",
    ),
    "a damaged header": (lambda: zipped(member(b"a") + b"x" * 512), "ArchiveBroken", "1024"),
    "a damaged extended header": (
        lambda: zipped(member(b"x", b"99 path=a\n", tarfile.XHDTYPE) + member(b"a")),
        "ArchiveBroken",
        "damaged",
    ),
    "an extended header without member": (
        lambda: zipped(pax({"path": b"a"})),
        "ArchiveBroken",
        "extended",
    ),
    "one name for all members": (
        lambda: zipped(pax({"path": b"a"}, tarfile.XGLTYPE) + member(b"b")),
        "ArchiveBroken",
        "global",
    ),
    "an empty file": (lambda: b"", "ArchiveEmpty", "empty"),
    "a zip": (lambda: b"PK\x03\x04" + bytes(2000), "ArchiveNotAnArchive", "zip"),
    "a text": (lambda: b"hello " * 200, "ArchiveNotAnArchive", "tgz"),
    "a long header of gzip": (
        lambda: b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * MIB,
        "ArchiveTruncated",
        "middle",
    ),
}


@pytest.fixture
def peak() -> Iterator[Callable[[], int]]:
    """The peak of memory since the start (bytes)."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.long if name == "100,000 members" else ())
        for name in HOSTILE
    ],
)
def test_hostile_archives_are_refused_by_name_in_little_memory(
    name: str, peak: Callable[[], int]
) -> None:
    make, reason, words = HOSTILE[name]
    data = make()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    started = time.process_time()
    with pytest.raises(ArchiveError, match=words) as failure:
        read_leader_archive(data)
    assert failure.value.reason in reason.split("|")
    assert len(str(failure.value)) < 400
    assert str(failure.value).isprintable()
    assert peak() - before < MEMORY_LIMIT
    assert time.process_time() - started < 10


def test_the_largest_accepted_archive_takes_little_memory(peak: Callable[[], int]) -> None:
    inner = tgz(
        {
            **archives.reg_master(SMALL_LEADER),
            "reg-master/config-leader/data/core/big": _random(8 * MIB - 512 * 1024),
        }
    )
    data = tgz({"p-reg-master.tgz": inner, "p-core1.tgz": _random(7 * MIB)})
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    assert "data/core/big" in read_leader_files(data)
    assert peak() - before < MEMORY_LIMIT


def test_a_file_of_any_size_is_refused_without_reading_all_of_it() -> None:
    class Endless(io.RawIOBase):
        """A plain tar that never ends."""

        def __init__(self) -> None:
            self.start = header(b"a", 7 * MIB) + bytes(7 * MIB)
            self.given = 0

        def read(self, size: int = -1) -> bytes:
            assert size > 0
            self.given += size
            piece, self.start = self.start[:size], self.start[size:]
            if not self.start:
                self.start = header(b"b/%d" % self.given, 7 * MIB) + bytes(7 * MIB)
            return piece

    source = Endless()
    with pytest.raises(ArchiveError) as failure:
        read_leader_archive(source)  # type: ignore[arg-type]
    assert failure.value.reason == "ArchiveTooLarge"
    assert source.given < 2 * UNPACKED_LIMIT


def test_contents_are_never_quoted() -> None:
    canary = b"CANARY-4711 "
    for end in (END + canary, canary * 100, b""):
        with pytest.raises(ArchiveError) as failure:
            read_leader_archive(zipped(member(b"data/a", canary * 1000), end))
        assert "CANARY" not in f"{failure.value}{failure.value!r}"


# --- random input ---


def _read_or_refuse(data: bytes) -> None:
    started = time.process_time()
    try:
        read_leader_archive(data)
    except (ArchiveError, LeaderError) as error:
        assert str(error)
    assert time.process_time() - started < 5


GOOD = tar(archives.reg_master(SMALL_LEADER), folders=["reg-master"])
GOOD_TGZ = tgz(
    {
        "p-reg-master.tgz": tgz(archives.reg_master(SMALL_LEADER)),
        "p-core1.tgz": tgz(follower_files("core1")),
    }
)
_FUZZ = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", examples(150))),
    suppress_health_check=list(HealthCheck),
    deadline=None,
)


@_FUZZ
@given(
    st.binary(max_size=3000), st.sampled_from([b"", b"\x1f\x8b\x08", b"\x1f\x8b\x08\0\0\0\0\0\0\3"])
)
def test_random_bytes_are_read_or_refused(data: bytes, start: bytes) -> None:
    _read_or_refuse(start + data)
    _read_or_refuse(gzip.compress(data))


@_FUZZ
@given(st.data())
def test_changed_archives_are_read_or_refused(data: st.DataObject) -> None:
    original = data.draw(st.sampled_from([GOOD, GOOD_TGZ]))
    changed = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed)))
        piece = data.draw(st.binary(max_size=12))
        if data.draw(st.booleans()):
            changed[at : at + len(piece)] = piece
        else:
            changed[at:at] = piece
    _read_or_refuse(bytes(changed))
    _read_or_refuse(gzip.compress(bytes(changed)))


@_FUZZ
@given(
    st.lists(
        st.tuples(
            st.binary(max_size=20)
            | st.sampled_from(
                [b"conf/platform.yml", b"conf/config-leader.json", b"data/core/pryv.yml", b"a.tgz"]
            ),
            st.binary(max_size=40)
            | st.sampled_from(
                [b"20 path=conf/x.yml\n", b"14 size=99999\n", *SMALL_LEADER.values()]
            ),
            st.sampled_from(
                [b"0", b"\0", b"1", b"2", b"5", b"7", b"g", b"x", b"X", b"L", b"K", b"S", b"V"]
            ),
            st.none() | st.binary(min_size=12, max_size=12),
        ),
        max_size=6,
    )
)
def test_odd_headers_are_read_or_refused(
    members: list[tuple[bytes, bytes, bytes, bytes | None]],
) -> None:
    blocks = b"".join(
        header(name, len(content), kind, raw_size=size) + padded(content)
        for name, content, kind, size in members
    )
    _read_or_refuse(zipped(blocks))
    _read_or_refuse(blocks + END)
