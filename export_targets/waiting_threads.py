"""How OpenMP's threads wait for work: asleep in edgeform's own processes, as the runtime has it
where times are measured.

By default they wait in a loop. Where other programs want the cores too, each product then waits for
threads that do nothing: ten images took 90 s in place of 0.8.
"""

import os

POLICY = "OMP_WAIT_POLICY"
_set_here: list[str] = []


def sleep_while_waiting() -> None:
    """For this process and its children, if it is called before torch is loaded, and where the
    user has not set the policy.
    """
    if POLICY not in os.environ:
        os.environ[POLICY] = "passive"
        _set_here.append(POLICY)


def users_environment() -> dict[str, str]:
    """The environment without what ``sleep_while_waiting`` set."""
    return {name: value for name, value in os.environ.items() if name not in _set_here}
