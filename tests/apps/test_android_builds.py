"""The Gradle files of users and the Maven files of these tests say the same."""

import re
import tomllib
import xml.etree.ElementTree as ET
from importlib.metadata import version
from pathlib import Path

import pytest

ANDROID = Path(__file__).parents[2] / "apps" / "android"
POM = "{http://maven.apache.org/POM/4.0.0}"
CATALOG = tomllib.loads((ANDROID / "gradle" / "libs.versions.toml").read_text(encoding="utf-8"))
# the catalog's name for a version: Maven's
VERSIONS = {
    "kotlin": "kotlin.version",
    "java": "java.version",
    "minSdk": "minSdk",
    "targetSdk": "targetSdk",
    "android-json": "android-json.version",
    "junit": "junit.version",
    "robolectric": "robolectric.version",
}
# what only one of the two needs: stdlib comes with Gradle's plugin; Maven has the framework and
# ExecuTorch's classes from elsewhere; Gradle starts JUnit's platform by its launcher
ONLY_MAVEN = {"kotlin-stdlib", "android-all", "executorch-classes"}
ONLY_GRADLE = {"junit-platform-launcher", "executorch-android-vulkan"}


def text(path: str) -> str:
    return (ANDROID / path).read_text(encoding="utf-8")


def pom(path: str) -> ET.Element:
    return ET.fromstring(text(path))


def properties() -> dict[str, str]:
    found = pom("pom.xml").find(f"{POM}properties")
    assert found is not None
    return {item.tag.removeprefix(POM): item.text or "" for item in found}


def maven_dependencies(module: str) -> set[str]:
    listed = pom(f"{module}/pom.xml").findall(f"{POM}dependencies/{POM}dependency/{POM}artifactId")
    return {item.text or "" for item in listed}


def gradle_dependencies(module: str) -> set[str]:
    block = text(f"{module}/build.gradle.kts").split("dependencies {")[1].split("\n}")[0]
    names = [name.replace(".", "-") for name in re.findall(r"[^(]\(libs\.([\w.]+)\)", block)]
    modules = {name: item["module"].split(":")[1] for name, item in CATALOG["libraries"].items()}
    return {modules[name] for name in names} | set(re.findall(r'project\(":(\w+)"\)', block))


@pytest.mark.parametrize("name", VERSIONS)
def test_a_version_is_the_same(name: str) -> None:
    assert CATALOG["versions"][name] == properties()[VERSIONS[name]]


def test_the_modules_are_the_same() -> None:
    included = re.search(r"include\((.*)\)", text("settings.gradle.kts"))
    assert included is not None
    modules = [item.text for item in pom("pom.xml").findall(f"{POM}modules/{POM}module")]
    assert re.findall(r'":(\w+)"', included[1]) == modules


@pytest.mark.parametrize("module", ["core", "app"])
def test_the_dependencies_are_the_same(module: str) -> None:
    gradle, maven = gradle_dependencies(module), maven_dependencies(module)
    assert gradle - ONLY_GRADLE - {"junit-bom"} == maven - ONLY_MAVEN
    assert len(maven) > 2


@pytest.mark.parametrize("module", ["core", "app"])
def test_both_compile_the_same_folders(module: str) -> None:
    """Maven's are those that Gradle takes unless it is told otherwise."""
    build = pom("pom.xml").find(f"{POM}build")
    assert build is not None
    assert build.findtext(f"{POM}sourceDirectory") == "src/main/kotlin"
    assert build.findtext(f"{POM}testSourceDirectory") == "src/test/kotlin"
    assert "sourceSets" not in text(f"{module}/build.gradle.kts")
    kotlin = set((ANDROID / module / "src").rglob("*.kt"))
    folders = [ANDROID / module / "src" / kind / "kotlin" for kind in ("main", "test")]
    assert kotlin == {path for folder in folders for path in folder.rglob("*.kt")}
    assert len(kotlin) > 10


def test_the_runtime_is_the_version_that_writes_the_files() -> None:
    assert CATALOG["versions"]["executorch"] == version("executorch")
    loader = text("app/src/main/kotlin/edgeform/app/ExecuTorchClassifier.kt")
    assert f'EXECUTORCH_VERSION = "{version("executorch")}"' in loader


def test_the_package_has_one_name() -> None:
    gradle = text("app/build.gradle.kts")
    for name in ("namespace", "applicationId"):
        assert f'{name} = "edgeform.app"' in gradle
    assert "package=&quot;edgeform.app&quot;" in text("app/pom.xml")


def test_one_file_alone_knows_the_runtime() -> None:
    sources = [
        path for name in ("core", "app") for path in (ANDROID / name / "src/main").rglob("*.kt")
    ]
    users = [path.name for path in sources if "org.pytorch" in path.read_text(encoding="utf-8")]
    assert users == ["ExecuTorchClassifier.kt"]
    core = [path.read_text(encoding="utf-8") for path in (ANDROID / "core").rglob("*.kt")]
    assert not [text for text in core if re.search(r"^import android", text, re.MULTILINE)]


def test_sources_stay_short() -> None:
    lengths = {path: path.read_text(encoding="utf-8").count("\n") for path in ANDROID.rglob("*.kt")}
    assert {path.name: count for path, count in lengths.items() if count > 330} == {}
