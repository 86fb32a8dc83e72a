"""``kubectl-pryv render`` and ``import``: files, exit codes and messages."""

from __future__ import annotations

import base64
import gzip
import os
import stat
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from pryv_operator.cli.plugin import plugin
from pryv_operator.leader.listing import is_written_by_follower
from tests.unit.templates.archives import folder, release_files, tgz

RELEASES = (
    "1.6.12-cluster",
    "1.7.3-single-node",
    "1.9.2-cluster",
    "1.9.2-single-node",
    "2019-seed-era",
)


def run(*arguments: str | Path, text: str | None = None) -> Result:
    return CliRunner().invoke(plugin, [str(argument) for argument in arguments], input=text)


def fails(code: int, *arguments: str | Path, text: str | None = None) -> str:
    """Standard error of a command that must fail with an exit code."""
    result = run(*arguments, text=text)
    assert result.exit_code == code, (result.exit_code, result.stderr, result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    return result.stderr


def write(target: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_bytes(content)
    return target


def leader(**changes: bytes) -> dict[str, bytes]:
    """A small leader's folder; a change's name has ``__`` for a slash and ``_dot_`` for a dot."""
    roles = {
        f"data/{role}/pryv.yml": b"services: {}\n" for role in ("core", "reg-master", "static")
    }
    settings = (
        b"vars: {G: {settings: {DOMAIN: {value: pryv.acme.test}, "
        b"REGISTER_ADMIN_KEY: {value: the-admin-key-0123}}}}\n"
    )
    followers = b'{"the-follower-key": {"url": "u", "role": "core"}}'
    files = roles | {
        "conf/platform.yml": settings,
        "conf/config-leader.json": b'{"internals": {}, "followers": %s}' % followers,
        "data/core/core/conf/a.yml": b"domain: DOMAIN\n",
        "data/core/core/conf/key.yml": b"key: REGISTER_ADMIN_KEY\n",
        "data/core/core/log/.gitkeep": b"",
    }
    return files | {
        name.replace("__", "/").replace("_dot_", "."): content for name, content in changes.items()
    }


#: Changes of the small leader that make it one whose roles have services.
RUNNABLE = {
    f"data__{role}__pryv_dot_yml": b"services: {web: {image: registry.example.test/web:1}}\n"
    for role in ("core", "reg-master", "static")
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "leader", leader())


class TestRenderLeader:
    """``render --leader-dir`` and ``--archive``."""

    @pytest.mark.parametrize("release", RELEASES)
    @pytest.mark.parametrize("kind", ["--leader-dir", "--archive"])
    def test_files_equal_the_leaders(
        self, shared_pryv: Path, tmp_path: Path, release: str, kind: str
    ) -> None:
        files = release_files(shared_pryv / "releases", release)
        given = tmp_path / "leader.tgz"
        if kind == "--archive":
            given.write_bytes(
                tgz({f"received/config-leader/{path}": content for path, content in files.items()})
            )
        else:
            given = write(
                tmp_path / "received",
                {f"config-leader/{path}": content for path, content in files.items()},
            )
        result = run("render", kind, given, "--output", tmp_path / "out")
        assert result.exit_code == 0, result.stderr
        expected = folder(shared_pryv / "releases" / release / "expected")
        assert folder(tmp_path / "out") == {
            path: content
            for path, content in expected.items()
            if is_written_by_follower(path.partition("/")[2])
        }
        assert "done in" in result.stderr

    def test_secret_files_are_readable_for_the_owner_only(
        self, source: Path, tmp_path: Path
    ) -> None:
        assert run("render", "--leader-dir", source, "--output", tmp_path / "out").exit_code == 0
        modes = {
            path.name: stat.S_IMODE(path.stat().st_mode)
            for path in (tmp_path / "out").rglob("*.yml")
        }
        assert modes["key.yml"] == 0o600
        assert modes["a.yml"] & 0o077

    def test_nonempty_output_folder_is_refused(self, source: Path, tmp_path: Path) -> None:
        out = write(tmp_path / "out", {"core/core/conf/a.yml": b"mine", "other": b"mine"})
        assert "is not empty" in fails(2, "render", "--leader-dir", source, "--output", out)
        assert (out / "core/core/conf/a.yml").read_bytes() == b"mine"
        assert run("render", "--leader-dir", source, "--output", out, "--force").exit_code == 0
        assert (out / "core/core/conf/a.yml").read_bytes() == b"domain: pryv.acme.test\n"
        assert (out / "other").read_bytes() == b"mine"

    def test_links_in_the_output_folder_are_not_followed(
        self, source: Path, tmp_path: Path
    ) -> None:
        elsewhere = write(tmp_path / "elsewhere", {"a.yml": b"mine"})
        out = write(tmp_path / "out", {"core/core/conf/other": b""})
        (out / "core/core/conf/a.yml").symlink_to(elsewhere / "a.yml")
        assert run("render", "--leader-dir", source, "--output", out, "--force").exit_code == 0
        assert (elsewhere / "a.yml").read_bytes() == b"mine"
        (out / "static").rename(out / "gone")
        (out / "static").symlink_to(elsewhere)
        assert "leads elsewhere" in fails(
            2, "render", "--leader-dir", source, "--output", out, "--force"
        )
        assert not (elsewhere / "pryv.yml").exists()

    def test_replaced_secret_file_becomes_private(self, source: Path, tmp_path: Path) -> None:
        out = write(tmp_path / "out", {"core/core/conf/key.yml": b"old"})
        os.chmod(out / "core/core/conf/key.yml", 0o644)  # noqa: PTH101
        assert run("render", "--leader-dir", source, "--output", out, "--force").exit_code == 0
        assert stat.S_IMODE((out / "core/core/conf/key.yml").stat().st_mode) == 0o600

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (
                {"conf__platform_dot_yml": b"vars:\n  a: [the-value\n"},
                "conf/platform.yml, line 3, column 1: not valid YAML",
            ),
            (
                {"conf__config-leader_dot_json": b'{"internals": the-value'},
                "conf/config-leader.json, line 1, column 15: not valid JSON",
            ),
            (
                {"data__core__core__conf__b_dot_json": b'{"a": DOMAIN}'},
                "core/core/conf/b.json, line 1: not valid JSON",
            ),
            (
                {
                    "conf__platform_dot_yml": b"vars: {G: {settings: {DOMAIN: {value: AB}, "
                    b"AB: {value: DOMAIN}}}}"
                },
                "variable DOMAIN: its value refers to itself (DOMAIN → AB → DOMAIN)",
            ),
            (
                {"conf__platform_dot_yml": b"vars: {G: {settings: {DOMAIN: {}}}}"},
                "core/core/conf/a.yml: variable DOMAIN: it has no value",
            ),
        ],
    )
    def test_render_error_is_reported(
        self, tmp_path: Path, changes: dict[str, bytes], message: str
    ) -> None:
        given = write(tmp_path / "leader", leader(**changes))
        error = fails(1, "render", "--leader-dir", given, "--output", tmp_path / "out")
        assert message in error
        assert "the-value" not in error
        assert not (tmp_path / "out/core").exists()

    def test_roles_without_errors_are_written(self, tmp_path: Path) -> None:
        broken = {
            "data__core__core__conf__b_dot_json": b"{DOMAIN}",
            "data__static__x__conf__b_dot_json": b"{DOMAIN}",
        }
        given = write(tmp_path / "leader", leader(**broken))
        error = fails(1, "render", "--leader-dir", given, "--output", tmp_path / "out")
        assert "error: role core: not written: core/core/conf/b.json, line 1" in error
        assert "error: role static: not written: static/x/conf/b.json, line 1" in error
        assert folder(tmp_path / "out") == {"reg-master/pryv.yml": b"services: {}\n"}

    @pytest.mark.parametrize("kind", ["--leader-dir", "--archive"])
    def test_any_role_of_a_leader_is_rendered(self, tmp_path: Path, kind: str) -> None:
        files = {
            path: content for path, content in leader().items() if path.startswith("conf/")
        } | {"data/core/t.conf": b"DOMAIN"}
        given = write(tmp_path / "leader", files)
        if kind == "--archive":
            given = tmp_path / "a.tgz"
            given.write_bytes(tgz(files))
        result = run("render", kind, given, "--output", tmp_path / "out")
        assert result.exit_code == 0, result.stderr
        assert folder(tmp_path / "out") == {"core/t.conf": b"pryv.acme.test"}
        assert "no templates for role reg-master, static" in fails(
            1, "import", given, "--output", tmp_path / "imported"
        )

    def test_only_json_must_parse_and_j2_is_no_template(self, tmp_path: Path) -> None:
        changes = {
            "data__core__core__conf__b_dot_yml": b"a: [DOMAIN",
            "data__core__core__conf__c_dot_conf_dot_j2": b"{{ DOMAIN",
        }
        given = write(tmp_path / "leader", leader(**changes))
        assert run("render", "--leader-dir", given, "--output", tmp_path / "out").exit_code == 0
        files = folder(tmp_path / "out/core/core/conf")
        assert (files["b.yml"], files["c.conf.j2"]) == (b"a: [pryv.acme.test", b"{{ pryv.acme.test")

    def test_ungenerated_and_unset_variables_are_warned_about(self, tmp_path: Path) -> None:
        settings = (
            b"vars: {G: {settings: {DOMAIN: {value: REPLACE_ME}, "
            b"REGISTER_ADMIN_KEY: {value: SECRET}}}}"
        )
        given = write(tmp_path / "leader", leader(conf__platform_dot_yml=settings))
        result = run("render", "--leader-dir", given, "--output", tmp_path / "out")
        assert result.exit_code == 0
        assert 'REGISTER_ADMIN_KEY: not generated yet, so files contain "SECRET"' in result.stderr
        assert "DOMAIN: not filled in" in result.stderr

    @pytest.mark.parametrize(
        "arguments",
        [
            (),
            ("--leader-dir", "x"),
            ("--leader-dir", "x", "--archive", "y", "--output", "o"),
            ("--leader-dir", "x", "--output", "o", "--objects"),
            ("--no-such-option",),
        ],
    )
    def test_wrong_usage(self, arguments: tuple[str, ...]) -> None:
        assert run("render", *arguments).exit_code == 2

    def test_unusable_leader_folders(self, tmp_path: Path) -> None:
        assert "folder not found" in fails(
            1, "render", "--leader-dir", tmp_path / "none", "--output", tmp_path / "out"
        )
        (tmp_path / "empty").mkdir()
        assert "no leader's folder" in fails(
            1, "render", "--leader-dir", tmp_path / "empty", "--output", tmp_path / "out"
        )
        both = write(
            tmp_path / "both",
            {
                f"{name}/{path}": content
                for name in ("a", "b")
                for path, content in leader().items()
            },
        )
        assert "several leader's folders" in fails(
            1, "render", "--leader-dir", both, "--output", tmp_path / "out"
        )

    def test_too_large_file_is_refused(self, source: Path, tmp_path: Path) -> None:
        with (source / "data/core/core/conf/big").open("wb") as file:
            file.truncate(3 * 1024**3)
        assert "larger than" in fails(
            1, "render", "--leader-dir", source, "--output", tmp_path / "out"
        )

    def test_unusable_archives(self, tmp_path: Path) -> None:
        given = tmp_path / "a.tgz"
        assert "No such file" in fails(
            1, "render", "--archive", given, "--output", tmp_path / "out"
        )
        given.write_bytes(gzip.compress(b"no tar at all" * 100))
        assert "a.tgz: " in fails(1, "render", "--archive", given, "--output", tmp_path / "out")


class TestRenderPlatform:
    """``render -f``."""

    PLATFORM = (
        "apiVersion: pryv.io/v1alpha1\nkind: PryvPlatform\nmetadata: {name: acme}\n"
        "spec:\n  domain: pryv.acme.test\n"
        "  secrets: {REGISTER_ADMIN_KEY: {secretKeyRef: {name: keys, key: admin}}}\n"
    )
    SECRET = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\n"
        "stringData: {admin: the-admin-key-0123}\n"
    )

    @pytest.mark.parametrize("show", [True, False])
    def test_files(self, tmp_path: Path, show: bool) -> None:
        (tmp_path / "secrets.yaml").write_text(self.SECRET)
        options = ["--show-secrets"] if show else []
        result = run(
            "render",
            "-f",
            "-",
            "-f",
            tmp_path / "secrets.yaml",
            "--output",
            tmp_path / "out",
            *options,
            text=self.PLATFORM,
        )
        assert result.exit_code == 0, result.stderr
        files = folder(tmp_path / "out")
        assert {path.partition("/")[0] for path in files} == {"core", "reg-master", "static"}
        assert any(b"the-admin-key-0123" in content for content in files.values()) is show
        assert (
            any(b"masked-register-admin-key" in content for content in files.values()) is not show
        )
        assert any(b"generated-core-system-key" in content for content in files.values())
        assert "the-admin-key-0123" not in result.output

    def test_objects(self, tmp_path: Path) -> None:
        result = run("render", "-f", "-", "--objects", text=self.PLATFORM + "---\n" + self.SECRET)
        assert result.exit_code == 0, result.stderr
        found = list(yaml.safe_load_all(result.stdout))
        assert {item["kind"] for item in found} >= {
            "Service",
            "ConfigMap",
            "Secret",
            "StatefulSet",
            "Deployment",
            "PersistentVolumeClaim",
        }
        decoded = [
            base64.b64decode(text)
            for item in found
            if item["kind"] == "Secret"
            for text in item["data"].values()
        ]
        assert not any(b"the-admin-key-0123" in content for content in decoded)
        again = run(
            "render",
            "-f",
            "-",
            "--objects",
            "--output",
            tmp_path / "out",
            text=self.PLATFORM + "---\n" + self.SECRET,
        )
        assert again.exit_code == 0
        assert [
            yaml.safe_load(path.read_text()) for path in sorted((tmp_path / "out").iterdir())
        ] == sorted(
            found, key=lambda item: f"{item['kind'].lower()}-{item['metadata']['name']}.yaml"
        )
        secret = next(
            path for path in (tmp_path / "out").iterdir() if path.name.startswith("secret-")
        )
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a: [", "error: -, line 2: not valid YAML"),
            ("", "found 0 objects of kind PryvPlatform"),
            (
                PLATFORM + "  variables: {MFA_MODE: other, MAX_UPLOAD_SIZE_MB: x}\n",
                "spec.variables.MFA_MODE: must be one of",
            ),
            (
                PLATFORM + "  roles: {static: {service: {type: NodePort}}}\n",
                "spec.roles.static.address",
            ),
        ],
    )
    def test_problems_are_reported(self, tmp_path: Path, text: str, message: str) -> None:
        assert message in fails(1, "render", "-f", "-", "--output", tmp_path / "out", text=text)


class TestImport:
    """``import``."""

    @pytest.mark.parametrize("release", RELEASES)
    def test_folder_and_archive_give_the_same_files(
        self, shared_pryv: Path, tmp_path: Path, release: str
    ) -> None:
        files = release_files(shared_pryv / "releases", release)
        given = write(tmp_path / "leader", files)
        (tmp_path / "a.tgz").write_bytes(
            tgz({f"reg-master/config-leader/{path}": content for path, content in files.items()})
        )
        for source, out in ((given, "one"), (tmp_path / "a.tgz", "two")):
            result = run(
                "import",
                source,
                "--output",
                tmp_path / out,
                "--name",
                "acme",
                "--namespace",
                "health",
            )
            assert result.exit_code == 0, result.stderr
        one, two = folder(tmp_path / "one"), folder(tmp_path / "two")
        assert one == two
        assert one.keys() >= {"platform.yaml", "secrets.yaml", "report.md"}
        assert stat.S_IMODE((tmp_path / "one/secrets.yaml").stat().st_mode) == 0o600

    @pytest.mark.parametrize("release", ["1.6.12-cluster", "1.7.3-single-node", "2019-seed-era"])
    def test_imported_platform_renders_the_leaders_files(
        self, shared_pryv: Path, tmp_path: Path, release: str
    ) -> None:
        given = write(tmp_path / "leader", release_files(shared_pryv / "releases", release))
        assert run("import", given, "--output", tmp_path / "out").exit_code == 0
        files = [
            argument
            for path in sorted((tmp_path / "out").glob("*.yaml"))
            for argument in ("-f", str(path))
        ]
        assert run("render", *files, "--show-secrets", "--output", tmp_path / "ours").exit_code == 0
        assert run("render", "--leader-dir", given, "--output", tmp_path / "theirs").exit_code == 0
        ours, theirs = folder(tmp_path / "ours"), folder(tmp_path / "theirs")
        assert ours.keys() == theirs.keys()
        assert {
            path for path in ours if ours[path] != theirs[path] and not path.endswith(".json")
        } == set()

    def test_own_templates_option(self, shared_pryv: Path, tmp_path: Path) -> None:
        given = write(
            tmp_path / "leader", release_files(shared_pryv / "releases", "1.9.2-single-node")
        )
        assert run("import", given, "--output", tmp_path / "out", "--own-templates").exit_code == 0
        assert (tmp_path / "out/templates.yaml").exists()

    def test_missing_values_are_reported(self, tmp_path: Path) -> None:
        given = write(tmp_path / "leader", leader(**RUNNABLE))
        result = run("import", given, "--output", tmp_path / "out")
        assert result.exit_code == 0, result.stderr
        assert (
            "missing: REG_MASTER_IP_ADDRESS, spec.roles.core.instances, STATIC_WEB_IP_ADDRESS"
            in result.stderr
        )
        assert "the-follower-key" not in "".join(
            path.read_text() for path in (tmp_path / "out").iterdir()
        )

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (
                {"conf__platform_dot_yml": b"vars:\n  a: [the-value\n"},
                "conf/platform.yml, line 3, column 1: not valid YAML",
            ),
            (
                {"conf__config-leader_dot_json": b"{"},
                "conf/config-leader.json",
            ),
        ],
    )
    def test_malformed_input_is_refused(
        self, tmp_path: Path, changes: dict[str, bytes], message: str
    ) -> None:
        given = write(tmp_path / "leader", leader(**changes))
        result = run("import", given, "--output", tmp_path / "out")
        assert result.exit_code == 1
        assert message in result.stderr
        assert "the-value" not in result.stderr
        assert not (tmp_path / "out").exists()

    def test_what_would_be_refused_is_written_and_named(self, tmp_path: Path) -> None:
        given = write(tmp_path / "leader", leader(**RUNNABLE | {"data__core__pryv_dot_yml": b""}))
        error = fails(1, "import", given, "--output", tmp_path / "out")
        assert "error: would be refused: core/pryv.yml: " in error
        assert "## Would be refused" in (tmp_path / "out/report.md").read_text()
        assert (tmp_path / "out/platform.yaml").exists()
        assert "stores are empty" in error

    def test_missing_role_is_refused(self, tmp_path: Path) -> None:
        files = {
            path: content
            for path, content in leader().items()
            if not path.startswith("data/static")
        }
        given = write(tmp_path / "leader", files)
        assert "no templates for role static (found: core, reg-master)" in fails(
            1, "import", given, "--output", tmp_path / "out"
        )

    def test_unknown_variable_is_refused(self, source: Path, tmp_path: Path) -> None:
        settings = (
            (source / "conf/platform.yml")
            .read_bytes()
            .replace(b"DOMAIN:", b"DOMIAN: {value: the-value}, DOMAIN:")
        )
        (source / "conf/platform.yml").write_bytes(settings)
        error = fails(1, "import", source, "--output", tmp_path / "out", "--release", "1.9.2")
        assert "DOMIAN" in error
        assert "the-value" not in error

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--name", "Acme"),
            ("--release", "1.0"),
            ("--release", "1.9.2", "--own-templates"),
            ("--no-such-option",),
        ],
    )
    def test_wrong_usage(self, source: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
        assert run("import", source, "--output", tmp_path / "out", *arguments).exit_code == 2

    def test_nonempty_output_folder_is_refused(self, source: Path, tmp_path: Path) -> None:
        write(tmp_path / "out", {"platform.yaml": b"mine"})
        assert "is not empty" in fails(2, "import", source, "--output", tmp_path / "out")
        assert (tmp_path / "out/platform.yaml").read_bytes() == b"mine"


@pytest.mark.parametrize(
    "arguments",
    [("render", "--leader-dir"), ("render", "--archive"), ("render", "-f"), ("import",)],
)
def test_missing_input_is_an_input_error(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert "none" in fails(1, *arguments, tmp_path / "none", "--output", tmp_path / "out")


@pytest.mark.parametrize("arguments", [("render", "--leader-dir"), ("import",)])
def test_output_that_is_a_file_is_wrong_usage(
    source: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "out").write_bytes(b"mine")
    assert "out: " in fails(2, *arguments, source, "--output", tmp_path / "out")


def test_version_and_help() -> None:
    assert run("version").exit_code == 0
    assert "Exit codes" in run("--help").stdout
