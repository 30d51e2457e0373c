"""A Swift toolchain: the one on the PATH, else Debian trixie's in a folder of its own.

The folder is a Debian system that is entered with chroot: it is made once, in about 100 seconds and
1.5 GB, and nothing outside it is changed.
"""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

SUITE = "trixie"
PACKAGES = "base-files,bash,coreutils,swiftlang,libc6-dev,libstdc++-14-dev"
SOURCES = Path("/etc/apt/sources.list.d/debian.sources")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
ROOT = CACHE / "edgeform" / "swift-6.0-trixie"
# Of the packages, what compiling and testing do not need: half of the disk.
UNUSED = (
    *(f"usr/libexec/swift/lib/{name}" for name in ("swift/embedded", "swift_static")),
    *(f"usr/libexec/swift/lib/{name}" for name in ("liblldb*", "libLTO*")),
    *(f"usr/libexec/swift/bin/{name}" for name in ("lldb*", "clangd", "sourcekit-lsp", "docc")),
    *(f"usr/share/{name}" for name in ("doc", "man", "locale")),
)
ENTER = """
root=$1 writable=$2; shift 2
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
while [ "$1" != -- ]; do
    mkdir -p "$root$1"
    mount --bind "$1" "$root$1"
    [ "$1" = "$writable" ] || mount -o remount,bind,ro "$root$1"
    shift
done
shift
exec chroot "$root" /usr/bin/env PATH=/usr/libexec/swift/bin:/usr/bin HOME=/tmp "$@"
"""


def absent() -> str:
    """What this machine needs before Swift can run here; "" where it can."""
    if shutil.which("swift") or ((ROOT / ".done").exists() and _enters()):
        return ""
    if not SOURCES.is_file() or not _enters():
        return "a Swift 6 toolchain on the PATH (or root on a Debian system)"
    return "" if shutil.which("mmdebstrap") else "a Swift 6 toolchain on the PATH, or mmdebstrap"


def run(
    arguments: Sequence[object],
    reads: Sequence[Path],
    writes: Path,
    environment: Mapping[str, object] | None = None,
) -> subprocess.CompletedProcess[str]:
    """A finished command of the toolchain, which sees the folders ``reads`` and may change the
    folder ``writes``; its output is one text.
    """
    command = [str(word) for word in arguments]
    given = {name: str(value) for name, value in (environment or {}).items()}
    if not shutil.which("swift"):
        _make_root()
        variables = [f"{name}={value}" for name, value in given.items()]
        folders = [str(path) for path in (*reads, writes)]
        inside = [str(ROOT), str(writes), *folders, "--", *variables, *command]
        enter = ["unshare", "--mount", "--propagation", "private", "--", "bash", "-ec", ENTER, "-"]
        command = [*enter, *inside]
    return subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        env={**os.environ, **given},
    )


def _enters() -> bool:
    return os.geteuid() == 0 and shutil.which("unshare") is not None


def _make_root() -> None:
    ROOT.parent.mkdir(parents=True, exist_ok=True)
    with ROOT.with_name(f"{ROOT.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (ROOT / ".done").exists():
            return
        shutil.rmtree(ROOT, ignore_errors=True)
        lines = SOURCES.read_text(encoding="utf-8").splitlines()
        mirror = next(line.split()[1] for line in lines if line.startswith("URIs:"))
        subprocess.run(
            [
                *("mmdebstrap", "--quiet", "--mode=root", "--variant=extract"),
                *("--components=main", '--aptopt=APT::Install-Recommends "false"'),
                '--aptopt=Acquire::Check-Valid-Until "false"',
                *(f"--include={PACKAGES}", SUITE, str(ROOT), mirror),
            ],
            check=True,
            capture_output=True,
        )
        for path in (path for pattern in UNUSED for path in ROOT.glob(pattern)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        (ROOT / ".done").touch()
