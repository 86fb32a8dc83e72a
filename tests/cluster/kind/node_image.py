"""The image of kind's nodes: Debian, kind's own files, Kubernetes' programs, and their images.

It is made as kind's `images/base/Dockerfile` and `kind build node-image` make theirs, apart from
what is unpacked, from where, and without a container engine.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.cluster.binaries import KUBERNETES_VERSION
from tests.cluster.kind.archive import Image, Layer, write_archive, write_layer
from tests.cluster.kind.programs import kind_sources

if TYPE_CHECKING:
    from tests.cluster.kind.programs import Programs

NODE_IMAGE: Final = f"pryv.test/node:v{KUBERNETES_VERSION}"

_MANIFESTS: Final = Path(__file__).parent / "manifests"
_CONTAINERD: Final = "etc/containerd/config.toml"
#: As kind's Dockerfile: units that make no sense in a container.
_UNITS_REMOVED: Final = (
    "lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service",
    "lib/systemd/system/multi-user.target.wants/*",
    "etc/systemd/system/*.wants/*",
    "lib/systemd/system/local-fs.target.wants/*",
    "lib/systemd/system/sockets.target.wants/*udev*",
    "lib/systemd/system/sockets.target.wants/*initctl*",
    "lib/systemd/system/basic.target.wants/*",
)
#: Only the engine uses them.
_PROGRAMS_REMOVED: Final = ("usr/bin/docker", "usr/sbin/dockerd", "usr/sbin/docker-proxy")
_CNI_PLUGINS: Final = ("host-local", "loopback", "portmap", "ptp")
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: Images are imported by a containerd of its own, and not unpacked: a node copies less then.
_IMPORT: Final = """
containerd --config /dev/stdin >/dev/null 2>&1 <<END &
version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri"]
END
tries=0
until ctr version >/dev/null 2>&1; do
  tries=$((tries + 1)); [ $tries -lt 100 ] || exit 1; sleep 0.2
done
ctr --namespace k8s.io images import --no-unpack --digests /images.tar
kill $!
wait $!
exit 0
"""


def write_node_image(work: Path, debian: Path, programs: Programs) -> Path:
    """Make the node's image below `work`; return its docker archive (1.3 GB)."""
    root = work / "node"
    subprocess.run(["cp", "-a", str(debian), str(root)], check=True)
    _add_kind_files(root, kind_sources() / "images" / "base" / "files")
    _add_programs(root, programs)
    _fit_to_machine(root)
    for name in ("default-cni.yaml", "default-storage.yaml"):
        _install(_MANIFESTS / name, root / "kind" / "manifests" / name)
    write_archive(root / "images.tar", _pod_images(work, root, programs))
    _preload(root)
    layer = work / "node.tar"
    subprocess.run(["tar", "--numeric-owner", "-C", str(root), "-cf", str(layer), "."], check=True)
    image = Image(
        [NODE_IMAGE],
        [Layer.of(layer)],
        ["/usr/local/bin/entrypoint", "/sbin/init"],
        ["container=docker"],
        {"StopSignal": "SIGRTMIN+3"},
    )
    archive = work / "node-image.tar"
    write_archive(archive, [image])
    return archive


def _add_kind_files(root: Path, files: Path) -> None:
    for source in files.rglob("*"):
        if source.is_file():
            relative = source.relative_to(files)
            program = relative.parent.as_posix() in {"usr/local/bin", "kind/bin"}
            _install(source, root / relative, 0o755 if program else 0o644)
    for pattern in _UNITS_REMOVED:
        for unit in root.glob(pattern):
            unit.unlink()
    with (root / "etc/systemd/journald.conf").open("a") as journald:
        journald.write("ReadKMsg=no\n")
    _link(root / "sbin/init", "/usr/lib/systemd/systemd")
    # kind's own unit starts /usr/local/bin/containerd.
    _link(root / "usr/local/bin/containerd", "/usr/bin/containerd")
    (root / "lib/systemd/system/containerd.service").unlink()
    services = ("kubelet", "containerd", "undo-mount-hacks")
    _chroot(root, "systemctl", "enable", *(f"{name}.service" for name in services))
    _chroot(root, "systemctl", "mask", "systemd-binfmt.service")
    for folder in ("etc/kubernetes/manifests", "etc/cni/net.d", "lib/modules"):
        (root / folder).mkdir(parents=True, exist_ok=True)


def _add_programs(root: Path, programs: Programs) -> None:
    for name in _PROGRAMS_REMOVED:
        (root / name).unlink()
    for name in ("kubeadm", "kubelet", "kubectl"):
        _install(programs.path(name), root / "usr/bin" / name, 0o755)
    for name in _CNI_PLUGINS:
        _install(root / "usr/lib/cni" / name, root / "opt/cni/bin" / name, 0o755)
    (root / "kind/version").write_text(f"v{KUBERNETES_VERSION}")


def _fit_to_machine(root: Path) -> None:
    """Settings for control groups of version 1, and for a root without CAP_SYS_RESOURCE."""
    kubelet = root / "etc/default/kubelet"
    kubelet.write_text(f"{kubelet.read_text().strip()} --fail-cgroupv1=false\n")
    containerd = root / _CONTAINERD
    containerd.write_text(
        containerd.read_text().replace(
            "restrict_oom_score_adj = false", "restrict_oom_score_adj = true"
        )
    )
    specification = json.loads(_chroot(root, "ctr", "oci", "spec"))
    hook = {"path": "/kind/bin/mount-product-files.sh"}
    specification.setdefault("hooks", {}).setdefault("createContainer", []).append(hook)
    specification["process"].pop("rlimits", None)
    (root / "etc/containerd/cri-base.json").write_text(json.dumps(specification))


def _pod_images(work: Path, root: Path, programs: Programs) -> list[Image]:
    """The images of the control plane, by the names that kubeadm and our manifests use."""
    answer = subprocess.run(
        [
            str(programs.path("kubeadm")),
            *("config", "images", "list", f"--kubernetes-version=v{KUBERNETES_VERSION}"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    names = {tag.rpartition(":")[0].rpartition("/")[2]: tag for tag in answer.stdout.split()}
    sandbox = re.search(r'sandbox_image = "(.+)"', (root / _CONTAINERD).read_text())
    assert sandbox is not None, f"no sandbox image in {_CONTAINERD}"
    tags = {name: [tag] for name, tag in names.items()}
    tags["pause"] = sorted({names["pause"], sandbox[1]})
    (bundle,) = (root / "etc" / "ssl" / "certs").glob("*.crt")
    base = write_layer(
        work / "base.tar",
        {str(bundle.relative_to(root)): bundle},
        folders={"tmp": 0o1777, "run": 0o755, "var": 0o755},
    )
    tools = _network_tools(work, root)
    images = []
    for name in ("nodeagent", "policies"):
        tags[name] = [f"pryv.test/{name}:1"]
    for name, its_tags in tags.items():
        own = write_layer(work / f"{name}.tar", {f"usr/local/bin/{name}": programs.path(name)})
        layers = [base, tools, own] if name in {"kube-proxy", "policies"} else [base, own]
        images.append(Image(its_tags, layers, [f"/usr/local/bin/{name}"]))
    return images


def _network_tools(work: Path, root: Path) -> Layer:
    """iptables, nft and conntrack of the root file system, with the libraries that they load."""
    found = ("xtables-nft-multi", "xtables-legacy-multi", "conntrack", "nft")
    tools = [f"/usr/sbin/{name}" for name in found] + ["/usr/bin/kmod"]
    plugins = [f"/{plugin.relative_to(root)}" for plugin in root.glob("usr/lib/*/xtables/*.so")]
    listed = _chroot(root, "ldd", *tools, *plugins)
    libraries = set(re.findall(r"(/lib\S+)(?= \()", listed))
    files = {path.lstrip("/"): root / path.lstrip("/") for path in (*tools, *plugins)}
    for library in libraries:
        # As seen from inside: absolute links are not those of this machine.
        real = _chroot(root, "readlink", "-f", library).strip()
        files[f"usr{library}"] = root / real.lstrip("/")
    links = {name: f"usr/{name}" for name in ("bin", "sbin", "lib", "lib64")}
    for family in ("iptables", "ip6tables"):
        for suffix in ("", "-save", "-restore"):
            links[f"usr/sbin/{family}{suffix}"] = "xtables-nft-multi"
    links["usr/sbin/modprobe"] = "/usr/bin/kmod"
    return write_layer(work / "tools.tar", files, links=links)


def _preload(root: Path) -> None:
    # Namespaces of its own, so that no containerd of this machine is met, and none is left.
    namespaces = ["--mount", "--pid", "--net", "--fork", "--kill-child"]
    subprocess.run(
        [
            *("unshare", *namespaces, f"--mount-proc={root / 'proc'}"),
            *("chroot", str(root), "/bin/sh", "-eu", "-c", _IMPORT),
        ],
        check=True,
        capture_output=True,
        env={"PATH": _PATH},
    )
    (root / "images.tar").unlink()
    shutil.rmtree(root / "run" / "containerd", ignore_errors=True)


def _chroot(root: Path, *command: str) -> str:
    done = subprocess.run(
        ["chroot", str(root), *command],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": _PATH},
    )
    assert done.returncode == 0, f"{' '.join(command[:3])}: {done.stdout}{done.stderr}"
    return done.stdout


def _install(source: Path, target: Path, mode: int = 0o644) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def _link(path: Path, aim: str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(aim)
