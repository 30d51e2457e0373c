"""The residual stream of a transformer's tokens: a sum that every block adds to."""

from typing import Self

from torch import Tensor


class ChainedSum:
    """Each part is added when it comes."""

    def __init__(self, total: Tensor) -> None:
        self.total = total

    def plus(self, part: Tensor) -> Self:
        """The stream with one more part."""
        return type(self)(self.total + part)

    def settled(self) -> Self:
        """The stream before a block."""
        return self


class GatheredSum:
    """The parts between two blocks are summed up among themselves before they are added.

    before: ((s + a) + b) + c, each sum stored in float16
    after:  s + ((a + b) + c), beside it s + a for who reads the stream in between.
    A GPU that rounds a stored sum toward zero shrinks the whole stream with each of them: here with
    one a block instead of three.
    """

    def __init__(self, base: Tensor, added: Tensor | None = None) -> None:
        self.base, self.added = base, added
        self.total = base if added is None else base + added

    def plus(self, part: Tensor) -> Self:
        """The stream with one more part."""
        return type(self)(self.base, part if self.added is None else self.added + part)

    def settled(self) -> Self:
        """The stream before a block, whose parts are added to all before them."""
        return type(self)(self.total)
