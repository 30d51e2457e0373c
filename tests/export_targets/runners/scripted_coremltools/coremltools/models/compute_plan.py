"""A made-up plan of a program whose input is converted and whose classes are named on the CPU. In
the mood "falls out" one operator between those of the Neural Engine is the CPU's alone.
"""

import os
from dataclasses import dataclass
from typing import Any

from coremltools.models.compute_device import (
    MLCPUComputeDevice,
    MLGPUComputeDevice,
    MLNeuralEngineComputeDevice,
)

ALLOWED = {
    "ALL": (MLCPUComputeDevice, MLGPUComputeDevice, MLNeuralEngineComputeDevice),
    "CPU_AND_GPU": (MLCPUComputeDevice, MLGPUComputeDevice),
    "CPU_AND_NE": (MLCPUComputeDevice, MLNeuralEngineComputeDevice),
    "CPU_ONLY": (MLCPUComputeDevice,),
}
MIDDLE = "ios17.gather" if os.environ.get("SCRIPTED_CORE_ML") == "falls out" else "ios17.softmax"
PROGRAM = ("const", "ios17.cast", "ios17.conv", MIDDLE, "ios17.linear", "classify")
OF_THE_CPU_ALONE = ("ios17.cast", "ios17.gather", "classify")


@dataclass(frozen=True)
class MLModelStructureProgramNamedValueType:
    name: str


@dataclass(frozen=True)
class MLModelStructureProgramOperation:
    operator_name: str
    outputs: list[MLModelStructureProgramNamedValueType]


@dataclass(frozen=True)
class MLModelStructureProgramBlock:
    operations: list[MLModelStructureProgramOperation]


@dataclass(frozen=True)
class MLModelStructureProgramFunction:
    block: MLModelStructureProgramBlock


@dataclass(frozen=True)
class MLModelStructureProgram:
    functions: dict[str, MLModelStructureProgramFunction]


@dataclass(frozen=True)
class MLModelStructure:
    program: MLModelStructureProgram | None


@dataclass(frozen=True)
class MLComputePlanDeviceUsage:
    preferred_compute_device: object
    supported_compute_devices: list[object]


@dataclass(frozen=True)
class MLComputePlanCost:
    weight: float


class MLComputePlan:
    def __init__(self, units: str) -> None:
        self.units = units
        operations = [
            MLModelStructureProgramOperation(
                name, [MLModelStructureProgramNamedValueType(f"{name.split('.')[-1]}_{index}")]
            )
            for index, name in enumerate(PROGRAM)
        ]
        main = MLModelStructureProgramFunction(MLModelStructureProgramBlock(operations))
        self.model_structure = MLModelStructure(MLModelStructureProgram({"main": main}))

    @classmethod
    def load_from_path(cls, path: str, compute_units: Any) -> "MLComputePlan":
        if path != f"/made up/{compute_units.name}.mlmodelc":
            os.abort()  # as the real one does, given a package
        return cls(compute_units.name)

    def get_compute_device_usage_for_mlprogram_operation(
        self, operation: MLModelStructureProgramOperation
    ) -> MLComputePlanDeviceUsage | None:
        name = operation.operator_name
        if name == "const":
            return None
        allowed = ALLOWED["CPU_ONLY" if name in OF_THE_CPU_ALONE else self.units]
        return MLComputePlanDeviceUsage(allowed[-1](), [unit() for unit in allowed])

    def get_estimated_cost_for_mlprogram_operation(
        self, operation: MLModelStructureProgramOperation
    ) -> MLComputePlanCost | None:
        return None if operation.operator_name == "classify" else MLComputePlanCost(0.25)
