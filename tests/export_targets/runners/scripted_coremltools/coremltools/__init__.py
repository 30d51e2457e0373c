"""A stand-in for coremltools on a Mac, for tests. It has what the program uses of the real one's
interface, which a test compares; what it answers is made up.
"""

from enum import Enum

from coremltools import models as models


class ComputeUnit(Enum):
    ALL = 1
    CPU_AND_GPU = 2
    CPU_ONLY = 3
    CPU_AND_NE = 4
