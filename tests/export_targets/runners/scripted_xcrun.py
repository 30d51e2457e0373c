"""A stand-in for xcrun devicectl and an iPhone with the app, for tests: it answers from a folder in
the JSON that public scripts read of devicectl. No iPhone has answered here.

``SCRIPTED_PHONE`` names a JSON file: ``devices``, ``root`` the folder in the place of the app's
container, ``mood`` what happens, ``report`` the file that a benchmark leaves.
"""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

PHONE = json.loads(Path(os.environ["SCRIPTED_PHONE"]).read_text(encoding="utf-8"))
ROOT = Path(PHONE["root"])
MOOD = PHONE["mood"]
PROCESS = 4711


def answer(arguments: list[str], content: dict[str, Any], code: int = 0) -> None:
    path = Path(arguments[arguments.index("--json-output") + 1])
    path.write_text(json.dumps(content), encoding="utf-8")
    sys.exit(code)


def fail(arguments: list[str], code: int, text: str) -> None:
    below = {"code": code, "userInfo": {"NSLocalizedDescription": {"string": text}}}
    error = {
        "code": 9000,
        "userInfo": {
            "NSLocalizedDescription": {"string": "The operation failed."},
            "NSUnderlyingError": {"error": below},
        },
    }
    answer(arguments, {"info": {"outcome": "failed"}, "error": error}, 1)


def succeed(arguments: list[str], result: dict[str, Any]) -> None:
    answer(arguments, {"info": {"outcome": "success"}, "result": result})


def value(arguments: list[str], name: str) -> str:
    return arguments[arguments.index(name) + 1]


def copy(arguments: list[str]) -> None:
    source, target = value(arguments, "--source"), value(arguments, "--destination")
    if arguments[2] == "to":
        if MOOD == "full":
            fail(arguments, 7000, "No space left on device")
        shutil.copytree(source, ROOT / target)
    elif (ROOT / source).is_dir():
        shutil.copytree(ROOT / source, target)
    else:
        fail(arguments, 7000, "The file does not exist.")
    succeed(arguments, {})


def launch(arguments: list[str]) -> None:
    if MOOD == "locked":
        fail(arguments, 10002, "The device was not unlocked.")
    assert arguments[-1] == "org.example.mine"
    request = json.loads(value(arguments, "--environment-variables"))
    (ROOT / "request.json").write_text(json.dumps(request), encoding="utf-8")
    results = ROOT / "Documents" / "results" / request["EDGEFORM_RUN"]
    if MOOD not in ("crash", "unplugged"):
        results.mkdir(parents=True)
        said = {}
        if MOOD == "refusal":
            said = {"what": "model.pte is damaged.", "remedy": "Copy it again."}
        elif request["EDGEFORM_JOB"] == "measure":
            shutil.copy(PHONE["report"], results / "report.json")
        else:
            infer(ROOT / "Documents" / "runs" / request["EDGEFORM_RUN"], results, request)
        (results / "done.json").write_text(json.dumps(said), encoding="utf-8")
    succeed(arguments, {"process": {"processIdentifier": PROCESS}})


def infer(run: Path, results: Path, request: dict[str, str]) -> None:
    golden = run / "artifact" / "golden"
    known = {path.read_bytes(): path for path in golden.glob("input_*.f32")}
    for index in range(int(request["EDGEFORM_SAMPLES"])):
        number = known[(run / f"input_{index}.f32").read_bytes()].stem.removeprefix("input_")
        logits = (golden / f"expected_{number}.f32").read_bytes()
        (results / f"logits_{index}.f32").write_bytes(logits[4 if MOOD == "half" else 0 :])


def main() -> None:
    assert sys.argv[1] == "devicectl"
    arguments = sys.argv[2:]
    match arguments:
        case ["list", "devices", *_]:
            succeed(arguments, {"devices": PHONE["devices"]})
        case ["device", "info", "apps", *_]:
            mine = {"name": "Edgeform", "bundleIdentifier": "org.example.mine"}
            succeed(arguments, {"apps": [] if MOOD == "no app" else [mine]})
        case ["device", "copy", *_]:
            copy(arguments)
        case ["device", "process", "launch", *_]:
            launch(arguments)
        case ["device", "info", "processes", *_]:
            if MOOD == "unplugged":
                fail(arguments, 1000, "The device was not found.")
            running = [] if MOOD == "crash" else [{"processIdentifier": PROCESS}]
            succeed(arguments, {"runningProcesses": running})
        case ["device", "process", "terminate", *_]:
            (ROOT / "terminated").touch()
            succeed(arguments, {})
        case other:
            sys.exit(f"not in the script: {other}")


main()
