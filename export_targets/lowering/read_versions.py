"""The versions of the libraries whose passes ``idle_passes`` was read from. Imports no library."""

from importlib.metadata import version

READ = {"executorch": "1.5.1", "torch": "2.13.0"}


def other_versions() -> list[str]:
    """The libraries that are installed in another version; empty where lowering is shortened."""
    return [
        f"{name} {installed}"
        for name, read in READ.items()
        if (installed := str(version(name))).split("+")[0] != read
    ]
