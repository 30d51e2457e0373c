"""R8 over compiled classes, and what is defined in the DEX file that it writes."""

import re
import struct
import subprocess
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

# of Android's proguard-android-optimize.txt: what bears on names
DEFAULT_RULES = """
-allowaccessmodification
-keepattributes Signature,InnerClasses,EnclosingMethod,RuntimeVisible*Annotations,AnnotationDefault
-keepclasseswithmembernames class * { native <methods>; }
-keepclassmembers enum * { static **[] values(); static ** valueOf(java.lang.String); }
"""
MIN_API = "26"

Names = dict[str, set[str]]  # of each class with slashes: of its fields and methods


def packed(folder: Path, jar: Path, leave_out: str = "") -> Path:
    """The files of a folder as a jar, without those of a path that starts with ``leave_out``."""
    with zipfile.ZipFile(jar, "w") as archive:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_file() and not (leave_out and name.startswith(leave_out)):
                archive.write(path, name)
    return jar


def r8(
    tool: Path, program: Sequence[Path], libraries: Sequence[str], rules: Path, out: Path
) -> Names:
    """What a release build of the program defines; R8 takes the rules in its jars by itself."""
    arguments = ["--release", "--pg-conf", str(rules), *named(libraries)]
    return compiled(tool, "R8", [*arguments, *map(str, program)], out)


def unminified(tool: Path, program: Sequence[Path], libraries: Sequence[str], out: Path) -> Names:
    """What the program defines before R8."""
    return compiled(tool, "D8", [*named(libraries), *map(str, program)], out)


def named(libraries: Sequence[str]) -> list[str]:
    return [word for library in libraries for word in ("--lib", library)]


def compiled(tool: Path, compiler: str, arguments: Sequence[str], out: Path) -> Names:
    out.mkdir()
    command = [
        "java",
        "-Xmx1g",
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "-cp",
        str(tool),
        f"com.android.tools.r8.{compiler}",
    ]
    command += ["--min-api", MIN_API, "--output", str(out), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return {
        name: members for dex in out.glob("*.dex") for name, members in defined(dex.read_bytes())
    }


def defined(dex: bytes) -> Iterator[tuple[str, set[str]]]:
    """The classes of a DEX file, and the names of the fields and methods of each."""

    def section(header: int) -> tuple[int, int]:
        size, offset = struct.unpack_from("<II", dex, header)
        return size, offset

    def text(index: int) -> str:
        (at,) = struct.unpack_from("<I", dex, section(0x38)[1] + 4 * index)
        _, at = uleb128(dex, at)
        return dex[at : dex.index(0, at)].decode()

    def class_name(type_index: int) -> str:
        (index,) = struct.unpack_from("<I", dex, section(0x40)[1] + 4 * type_index)
        return text(index)[1:-1]  # without L and ;

    def member(ids: int, index: int) -> str:
        (name,) = struct.unpack_from("<I", dex, ids + 8 * index + 4)
        return text(name)

    fields, methods = section(0x50)[1], section(0x58)[1]
    count, classes = section(0x60)
    for number in range(count):
        words = struct.unpack_from("<8I", dex, classes + 32 * number)
        found: set[str] = set()
        if words[6]:  # an interface without members has no data
            found = {
                member(fields if kind == "field" else methods, index)
                for kind, index in members(dex, words[6])
            }
        yield class_name(words[0]), found


def members(dex: bytes, at: int) -> Iterator[tuple[str, int]]:
    """The indices of a class's fields and methods."""
    sizes = []
    for _ in range(4):  # static and instance fields, direct and virtual methods
        size, at = uleb128(dex, at)
        sizes.append(size)
    for kind, numbers, size in zip(
        ("field", "field", "method", "method"), (2, 2, 3, 3), sizes, strict=True
    ):
        index = 0
        for _ in range(size):
            difference, at = uleb128(dex, at)
            index += difference
            yield kind, index
            for _ in range(numbers - 1):  # access flags, a method's code
                _, at = uleb128(dex, at)


def uleb128(data: bytes, at: int) -> tuple[int, int]:
    """A number of 7 bits a byte, and where the next one begins."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def looked_up(libraries: Sequence[Path], classes: Names) -> Names:
    """
    What native libraries can ask a virtual machine for: the classes whose names stand in them,
    with the members whose names do, each ended as C ends a text. More than they really ask for.
    """
    content = b"".join(library.read_bytes() for library in libraries)
    texts = set(re.findall(rb"[A-Za-z_$][\w/$]*", content))
    return {
        name: {member for member in found if member.encode() + b"\0" in content}
        for name, found in classes.items()
        if any(form.encode() in texts for form in (name, f"L{name}"))
    }


def lost(wanted: Names, minified: Names) -> set[str]:
    """What of the wanted names is not defined, as ``class`` or ``class.member``."""
    absent = {name for name in wanted if name not in minified}
    return absent | {
        f"{name}.{member}"
        for name, found in wanted.items()
        if name not in absent
        for member in found - minified[name]
    }
