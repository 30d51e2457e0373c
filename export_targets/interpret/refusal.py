"""What an interpreter raises."""


class RefusedError(Exception):
    """A file that is damaged, or holds something that the interpreter does not know."""
