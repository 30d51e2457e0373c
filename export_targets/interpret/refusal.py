"""What an interpreter raises."""


class Refusal(Exception):
    """A file that is damaged, or holds something that the interpreter does not know."""
