"""The versions that Android Studio builds the app with fit each other."""

import os
import re
import shutil
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest

ANDROID = Path(__file__).parents[2] / "apps" / "android"
VERSIONS = tomllib.loads((ANDROID / "gradle" / "libs.versions.toml").read_text(encoding="utf-8"))[
    "versions"
]
WRAPPER = ANDROID / "gradle" / "wrapper" / "gradle-wrapper.properties"

# Android Gradle plugin: its least Gradle, its highest API level, its R8 (the release notes)
PLUGINS = {"8.10": ("8.11.1", 36, "8.10.21"), "8.13": ("8.13", 36, "8.13.19")}
# Kotlin: the highest Gradle and Android plugin it is made for, the least R8 that reads its classes
KOTLIN = {"2.2": ("8.14", "8.10", "8.10.21"), "2.3": ("9.0", "8.13", "8.13.19")}
GRADLE_WITHOUT_INTERNAL_PROBLEMS = "9.6"  # from there on plugin 8 does not apply
LEAST_COMPILE_SDK = 34  # core-ktx 1.13.1 asks for it, which ExecuTorch's archive depends on


def number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def gradle() -> str:
    found = re.search(r"^distributionUrl=.*/gradle-([\d.]+)-bin\.zip$", WRAPPER.read_text(), re.M)
    assert found is not None
    return found[1]


def misfits(plugin: str, kotlin: str, gradle: str, compile_sdk: int, target_sdk: int) -> list[str]:
    """What of a choice of versions does not fit the tables; nothing where all does."""
    if minor(plugin) not in PLUGINS or minor(kotlin) not in KOTLIN:
        return ["unknown"]
    least_gradle, highest_sdk, r8 = PLUGINS[minor(plugin)]
    most_gradle, most_plugin, least_r8 = KOTLIN[minor(kotlin)]
    rules = {
        "Gradle too old": number(gradle) >= number(least_gradle),
        "Gradle too new for Kotlin": number(minor(gradle)) <= number(most_gradle),
        "Gradle too new": number(gradle) < number(GRADLE_WITHOUT_INTERNAL_PROBLEMS),
        "Kotlin too old": number(minor(plugin)) <= number(most_plugin),
        "R8 too old": number(r8) >= number(least_r8),
        "compileSdk": LEAST_COMPILE_SDK <= compile_sdk <= highest_sdk,
        "targetSdk": target_sdk <= compile_sdk,
    }
    return [name for name, holds in rules.items() if not holds]


def test_the_versions_fit() -> None:
    sdks = (int(VERSIONS["compileSdk"]), int(VERSIONS["targetSdk"]))
    assert misfits(VERSIONS["agp"], VERSIONS["kotlin"], gradle(), *sdks) == []


@pytest.mark.parametrize(
    ("choice", "why"),
    [
        (("9.0.1", "2.2.0", "9.1.0", 34, 34), "unknown"),
        (("8.10.1", "2.2.0", "8.9", 34, 34), "Gradle too old"),
        (("8.13.2", "2.3.0", "9.6.1", 34, 34), "Gradle too new"),
        (("8.13.2", "2.2.0", "8.14.3", 34, 34), "Kotlin too old"),
        (("8.10.1", "2.3.0", "8.14.3", 34, 34), "R8 too old"),
        (("8.10.1", "2.2.0", "8.14.3", 33, 33), "compileSdk"),
        (("8.10.1", "2.2.0", "8.14.3", 34, 35), "targetSdk"),
    ],
)
def test_versions_that_do_not_fit_are_found(
    choice: tuple[str, str, str, int, int], why: str
) -> None:
    assert why in misfits(*choice)


def test_the_table_of_the_documentation_says_what_is_used() -> None:
    text = (ANDROID.parents[1] / "docs" / "android.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| ([\d.]+) \|", text.split("## Versions")[1], re.M)
    keys = {"ExecuTorch": "executorch", "Android Gradle plugin": "agp", "Kotlin": "kotlin"}
    used = {name: VERSIONS[keys.get(name, name)] for name, _ in rows if name in {*keys, *VERSIONS}}
    assert dict(rows) == {**used, "Gradle": gradle(), "manifest": "1"}
    assert len(used) == 6


def test_no_toolchain_is_asked_for() -> None:
    """Studio's own JDK is newer than 17, and a toolchain would stop without a resolver."""
    for module in ("core", "app"):
        script = (ANDROID / module / "build.gradle.kts").read_text(encoding="utf-8")
        assert "jvmToolchain" not in script
        assert "jvmTarget = JvmTarget.fromTarget(libs.versions.java.get())" in script


def test_the_release_build_is_minified() -> None:
    assert "isMinifyEnabled = true" in (ANDROID / "app" / "build.gradle.kts").read_text()


@pytest.mark.skipif(
    shutil.which("curl") is None or shutil.which("unzip") is None, reason="needs curl and unzip"
)
def test_the_script_runs_the_gradle_of_the_properties(tmp_path: Path) -> None:
    """With a distribution of a line that says what it was given, fetched once."""
    project = tmp_path / "project"
    (project / "gradle" / "wrapper").mkdir(parents=True)
    shutil.copy(ANDROID / "gradlew", project)
    archive = tmp_path / "gradle-1.2.3-bin.zip"
    with zipfile.ZipFile(archive, "w") as distribution:
        entry = zipfile.ZipInfo("gradle-1.2.3/bin/gradle")
        entry.create_system, entry.external_attr = 3, 0o755 << 16
        distribution.writestr(entry, '#!/bin/sh\necho "$@"\n')
    properties = f"distributionUrl={archive.as_uri()}".replace("file:", "file\\:")
    (project / "gradle" / "wrapper" / WRAPPER.name).write_text(f"{properties}\n", encoding="utf-8")
    home = {**os.environ, "GRADLE_USER_HOME": str(tmp_path / "home")}

    def run() -> subprocess.CompletedProcess[str]:
        command = [str(project / "gradlew"), "assembleDebug"]
        return subprocess.run(command, env=home, capture_output=True, text=True, check=False)

    assert run().stdout == f"--project-dir {project} assembleDebug\n"
    archive.unlink()
    assert run().stdout == f"--project-dir {project} assembleDebug\n"
    shutil.rmtree(tmp_path / "home")
    refused = run()
    assert refused.returncode != 0
    assert not list((tmp_path / "home").rglob("*.zip"))
