"""Reads an Xcode project file, and says what in its graph of objects does not hold together."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TOKEN = re.compile(r'\s+|//[^\n]*|/\*.*?\*/|("(?:\\.|[^"\\])*"|[{}()=;,]|[\w./$<>-]+)', re.DOTALL)
IDENTIFIER = re.compile("^[0-9A-F]{24}$")
# Of each kind: the fields that it must have, and those that hold identifiers.
KINDS = {
    "PBXBuildFile": ("productRef",),
    "PBXContainerItemProxy": ("containerPortal", "remoteGlobalIDString"),
    "PBXFileReference": (),
    "PBXFileSystemSynchronizedRootGroup": (),
    "PBXFrameworksBuildPhase": ("files",),
    "PBXGroup": ("children",),
    "PBXNativeTarget": ("buildConfigurationList", "buildPhases", "productReference"),
    "PBXProject": ("buildConfigurationList", "mainGroup", "targets", "packageReferences"),
    "PBXResourcesBuildPhase": ("files",),
    "PBXShellScriptBuildPhase": ("shellScript",),
    "PBXSourcesBuildPhase": ("files",),
    "PBXTargetDependency": ("target", "targetProxy"),
    "XCBuildConfiguration": ("baseConfigurationReference", "buildSettings", "name"),
    "XCConfigurationList": ("buildConfigurations",),
    "XCLocalSwiftPackageReference": ("relativePath",),
    "XCRemoteSwiftPackageReference": ("repositoryURL", "requirement"),
    "XCSwiftPackageProductDependency": ("productName",),
}
PRODUCTS = {
    *("EdgeformCore", "executorch", "backend_xnnpack", "backend_coreml"),
    *("kernels_optimized", "kernels_quantized"),
}


def parse(text: str) -> Any:
    """The property list in the old style. Raises ValueError."""
    tokens, at = [], 0
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None:
            raise ValueError(f"no property list at {text[at : at + 20]!r}")
        at = found.end()
        if found[1] is not None:
            tokens.append(found[1])
    stream = iter([*tokens, ""])
    value = _value(next(stream), stream)
    if next(stream):
        raise ValueError("something follows the property list")
    return value


def _value(token: str, stream: Iterator[str]) -> Any:
    if token == "(":
        values = []
        while (token := next(stream)) != ")":
            values.append(_value(token, stream))
            _expect(",", stream)
        return values
    if token == "{":
        fields: dict[str, Any] = {}
        while (token := next(stream)) != "}":
            name = _word(token)
            if name in fields:
                raise ValueError(f"{name} stands there twice")
            _expect("=", stream)
            fields[name] = _value(next(stream), stream)
            _expect(";", stream)
        return fields
    return _word(token)


def _word(token: str) -> str:
    if token in {"", *"{}()=;,"}:
        raise ValueError(f"{token!r} where a word belongs")
    return shlex.split(token)[0] if token.startswith('"') and len(token) > 2 else token.strip('"')


def _expect(wanted: str, stream: Iterator[str]) -> None:
    if (token := next(stream)) != wanted:
        raise ValueError(f"{token!r} where {wanted!r} belongs")


def problems(folder: Path, text: str) -> list[str]:
    """What is wrong with a project of ``folder``; empty where it holds together."""
    try:
        project = parse(text)
    except (ValueError, StopIteration) as error:
        return [f"it cannot be read: {error}"]
    objects = project["objects"]
    found = [f"{word} is no object" for word in _identifiers(project) if word not in objects]
    used = set(_identifiers({**project, "objects": list(objects.values())}))
    found += [f"{name} is used by nothing" for name in objects if name not in used]
    for name, content in objects.items():
        kind = content.get("isa")
        missing = [field for field in KINDS.get(kind, ("a known isa",)) if field not in content]
        found += [f"{name} ({kind}) lacks {field}" for field in missing]
        group = content.get("sourceTree") == "<group>" and "path" in content
        place = content["path"] if group else content.get("relativePath")
        if place is not None and not (folder / place).exists():
            found.append(f"{place} is not there")
    if found:
        return found
    return [*_build(objects), *_settings(folder)]


def _identifiers(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for part in value.values():
            yield from _identifiers(part)
    elif isinstance(value, list):
        for part in value:
            yield from _identifiers(part)
    elif IDENTIFIER.match(value):
        yield value


def _build(objects: Any) -> Iterator[str]:
    (app,) = (o for o in objects.values() if o.get("productName") == "Edgeform")
    phases = [objects[phase] for phase in app["buildPhases"]]
    built = [file for phase in phases for file in phase["files"]]
    linked = {objects[objects[file]["productRef"]]["productName"] for file in built}
    if linked != PRODUCTS:
        yield f"the app links {sorted(linked)}, not {sorted(PRODUCTS)}"
    if not any("copy_artifacts.sh" in phase.get("shellScript", "") for phase in phases):
        yield "no build phase copies the artifacts"
    for product in app["packageProductDependencies"]:
        content = objects[product]
        if content["productName"] != "EdgeformCore" and "package" not in content:
            yield f"{content['productName']} is of no package"


def _settings(folder: Path) -> Iterator[str]:
    app = (folder / "App.xcconfig").read_text(encoding="utf-8")
    for flag in ("-all_load", "-framework Accelerate", "-framework CoreImage"):
        if flag not in app:
            yield f"OTHER_LDFLAGS lacks {flag}"
    if "INFOPLIST_KEY_NSCameraUsageDescription = " not in app:  # iOS ends an app without it
        yield "App.xcconfig does not say what the camera is for"
    for name in ("App", "DeviceTests"):
        if '#include "Edgeform.xcconfig"' not in (folder / f"{name}.xcconfig").read_text("utf-8"):
            yield f"{name}.xcconfig does not include Edgeform.xcconfig"
