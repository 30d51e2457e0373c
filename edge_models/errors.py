"""The errors that a user sees: what is wrong and what to do, without a traceback."""


def described(error: BaseException) -> str:
    """An error's class and the first line of what it says, where it says something."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


class InputError(Exception):
    """Bad input. ``what`` names the thing and the offender, ``remedy`` what to do about it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what, remedy)  # as it is made again in another process
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what}\n{self.remedy}"


class RunnerError(Exception):
    """The runner could not run the file: a crash, a refusal of the runtime, no answer in time.
    ``remedy`` is what to do about it.
    """

    def __init__(
        self, what: str, remedy: str = "Try another --runner, or build the artifact again."
    ) -> None:
        super().__init__(what)
        self.remedy = remedy
