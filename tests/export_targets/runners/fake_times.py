"""A process that pretends to measure: ``python fake_times.py EXECUTE_MS SECONDS_A_TURN [WHAT]``.

Its execute times stand around EXECUTE_MS; WHAT is a value that stands where a time should.
"""

import json
import sys
import time

READY = {
    "device": {
        "name": "Abacus",
        "os": "None 1",
        "soc": "Abacus",
        "cores": 1,
        "abi": "arm64",
        "isa": ["neon"],
    },
    "load_ms": 1.5,
    "first_ms": 2.5,
    "image": {"width": 64, "height": 48},
    "runtime": {"backend": "xnnpack", "version": "1.5.1", "threads": 1},
}


def main() -> None:
    milliseconds, seconds, what = float(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    answer(READY)
    count = 0
    for line in sys.stdin:
        rows = []
        for _ in range(int(line)):
            count += 1
            execute = milliseconds * (1 + 0.01 * (count % 5))
            rows.append([0.25, execute, 0.125, execute + 0.5])
        if what:
            rows[0][1] = float(what)
        time.sleep(seconds)
        answer(rows)
    answer({"peak_memory_bytes": 1000})


def answer(content: object) -> None:
    print(json.dumps({"answer": content}), flush=True)


if __name__ == "__main__":
    main()
