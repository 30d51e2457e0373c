"""Threads of edgeform's processes sleep while they wait; those of measured processes do not."""

import os
import subprocess
import sys

import pytest

from export_targets import waiting_threads
from export_targets.runners.processes.measuring import Turns
from export_targets.waiting_threads import POLICY, sleep_while_waiting, users_environment

# the command line, which tells the policy when torch begins to load
COMMAND = f"""
import os, sys
def told(event, arguments):
    if event == "import" and arguments[0] == "torch":
        print("torch with", os.environ.get("{POLICY}"), file=sys.stderr)
sys.addaudithook(told)
from export_targets.command_line import cli
sys.argv = ["edgeform", "verify", "nowhere"]
cli.main()
"""
MEASURED = f"""
import json, os
print(json.dumps({{"answer": os.environ.get("{POLICY}")}}), flush=True)
"""


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment and what the module remembers are put back after a test."""
    monkeypatch.setenv(POLICY, "")
    monkeypatch.setattr(waiting_threads, "_set_here", [])
    del os.environ[POLICY]


@pytest.mark.parametrize("users", [None, "active"])
def test_the_policy_stands_before_torch_is_loaded(users: str | None) -> None:
    environment = {**os.environ, **({POLICY: users} if users else {})}
    command = [sys.executable, "-c", COMMAND]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2
    assert f"torch with {users or 'passive'}" in done.stderr.splitlines()


@pytest.mark.parametrize("users", [None, "active", "passive"])
def test_a_measured_process_has_the_users_policy(
    users: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if users is not None:
        monkeypatch.setenv(POLICY, users)
    sleep_while_waiting()
    assert os.environ[POLICY] == (users or "passive")
    assert users_environment().get(POLICY) == users
    with Turns([sys.executable, "-c", MEASURED], "environment") as child:
        assert child.ready == users
