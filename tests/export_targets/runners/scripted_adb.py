"""A stand-in for adb and a phone with the app, for tests: it answers as they do, from a folder.

``SCRIPTED_PHONE`` names a JSON file: ``devices`` {serial: state}, ``root`` the folder in the place
of the phone's storage, ``mood`` what happens, ``report`` the file that a benchmark leaves.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

PHONE = json.loads(Path(os.environ["SCRIPTED_PHONE"]).read_text(encoding="utf-8"))
ROOT = Path(PHONE["root"])
FILES = ROOT / "sdcard" / "Android" / "data" / "edgeform.app" / "files"
MOOD = PHONE["mood"]


def there(path: str) -> Path:
    return ROOT / path.lstrip("/")


def fail(message: str) -> None:
    print(message, file=sys.stderr)
    sys.exit(1)


def shell(text: str) -> None:
    """The phone's shell, which has these commands of Android."""
    here = f"{shlex.quote(sys.executable)} {shlex.quote(__file__)}"
    commands = "".join(f'{name}() {{ {here} {name} "$@"; }}\n' for name in ("am", "pm", "pidof"))
    script = commands + text.replace("/sdcard", f"{ROOT}/sdcard")
    sys.exit(subprocess.run(["bash", "-c", script], check=False).returncode)


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)


def push(source: str, target: str) -> None:
    if MOOD == "full":
        fail(f"adb: error: failed to copy '{source}': remote write failed: No space left on device")
    if not there(target).parent.is_dir():
        fail(f"adb: error: failed to copy '{source}' to '{target}': remote mkdir failed")
    copy(Path(source), there(target))


def am(*words: str) -> None:
    with (ROOT / "started").open("a", encoding="utf-8") as log:
        log.write(" ".join(words) + "\n")
    if words[0] == "force-stop":
        return
    FILES.mkdir(parents=True, exist_ok=True)
    if MOOD == "unknown screen":
        print("Error: Activity class {edgeform.app/.BenchmarkActivity} does not exist.")
        return
    extras = dict(
        zip(words[words.index("-n") + 3 :: 3], words[words.index("-n") + 4 :: 3], strict=True)
    )
    if "run" not in extras or MOOD in ("crash", "hang"):
        return
    results = FILES / "results" / extras["run"]
    results.mkdir(parents=True)
    if MOOD == "refusal":
        answer: dict[str, object] = {"what": "model.pte is damaged.", "remedy": "Copy it again."}
    elif MOOD == "nonsense":
        answer = {"odd": 1}
    else:
        answer = {}
        if "samples" in extras:
            infer(extras, results)
        else:
            shutil.copy(PHONE["report"], results / "report.json")
    (results / "done.json").write_text(json.dumps(answer), encoding="utf-8")


def infer(extras: dict[str, str], results: Path) -> None:
    """The expected logits of each golden input, as an app without errors would compute them."""
    golden = FILES / "artifacts" / extras["artifact"] / "golden"
    known = {path.read_bytes(): path for path in golden.glob("input_*.f32")}
    for index in range(int(extras["samples"])):
        given = (FILES / "runs" / extras["run"] / f"input_{index}.f32").read_bytes()
        number = known[given].stem.removeprefix("input_")
        logits = (golden / f"expected_{number}.f32").read_bytes()
        cut = 4 if MOOD == "half" else 0
        (results / f"logits_{index}.f32").write_bytes(logits[cut:])


def main() -> None:
    match sys.argv[1:]:
        case ["devices"]:
            print("List of devices attached")
            for serial, state in PHONE["devices"].items():
                print(f"{serial}\t{state}")
        case ["-s", serial, *_] if MOOD == "unplugged":
            fail(f"adb: device '{serial}' not found")
        case ["-s", _, "shell", text]:
            shell(text)
        case ["-s", _, "push", source, target]:
            push(source, target)
        case ["-s", _, "pull", source, target]:
            copy(there(source), Path(target))
        case ["-s", _, "logcat", *_]:
            print("E AndroidRuntime: FATAL EXCEPTION: main")
            print("E AndroidRuntime: java.lang.IllegalStateException: made up")
            print("E AndroidRuntime: \tat edgeform.app.Main")
        case ["pm", "path", name]:
            if MOOD != "no app":
                print(f"package:/data/app/{name}/base.apk")
        case ["pidof", _]:
            if MOOD != "crash":
                print("4711")
        case ["am", *words]:
            am(*words)
        case other:
            fail(f"the stand-in does not know {other}")


main()
