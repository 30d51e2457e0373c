"""What the plugin counted: blocks of code, how often they ran, and what stands in them."""

import re
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

COMMON = 4  # mnemonics that are named of a block


@dataclass(frozen=True)
class Block:
    """Code that runs from its first to its last instruction: its place and its length."""

    file: str
    offset: int
    instructions: int
    dot: int
    fmla: int


Executions = Mapping[Block, int]


def parse(text: str) -> Counter[Block]:
    """Executions of each block, from the lines that the plugin wrote."""
    executions: Counter[Block] = Counter()
    for line in text.splitlines():
        if line.startswith("block\t"):
            _, file, offset, times, instructions, dot, fmla = line.split("\t")
            block = Block(file, int(offset, 16), int(instructions), int(dot), int(fmla))
            executions[block] += int(times)  # a block may have been translated twice
    return executions


def difference(more: Executions, fewer: Executions) -> dict[Block, int]:
    """What ran in one run beyond another."""
    counted = {block: more.get(block, 0) - fewer.get(block, 0) for block in {**more, **fewer}}
    return {block: times for block, times in counted.items() if times}


def total(executions: Executions, what: str = "instructions") -> int:
    """Instructions that ran; ``what`` is "instructions", "dot" or "fmla"."""
    return sum(times * int(getattr(block, what)) for block, times in executions.items())


def hottest(executions: Executions, count: int) -> list[tuple[Block, int]]:
    """The blocks that hold the most instructions that ran."""
    order = sorted(executions.items(), key=lambda item: -item[1] * item[0].instructions)
    return order[:count]


def mnemonics(block: Block) -> str:
    """The most frequent instructions of a block, as ``sdot 64, ldr 8``."""
    start = block.offset + _load_shift(block)
    command = ["aarch64-linux-gnu-objdump", "--disassemble", "--no-show-raw-insn"]
    command += [f"--start-address={start}", f"--stop-address={start + 4 * block.instructions}"]
    listing = subprocess.run([*command, block.file], check=True, capture_output=True, text=True)
    found = re.findall(r"^\s*[0-9a-f]+:\s+([\w.]+)", listing.stdout, re.MULTILINE)
    return ", ".join(f"{name} {count}" for name, count in Counter(found).most_common(COMMON))


def _load_shift(block: Block) -> int:
    """Address minus file offset of the segment that a block lies in."""
    command = ["aarch64-linux-gnu-objdump", "--private-headers", block.file]
    headers = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    segment = r"LOAD off\s+0x(\w+) vaddr 0x(\w+).*\n\s+filesz 0x(\w+)"
    for found in re.findall(segment, headers):
        offset, address, size = (int(number, 16) for number in found)
        if offset <= block.offset < offset + size:
            return address - offset
    raise ValueError(f"no segment of {block.file} holds offset {block.offset:x}")
