"""How many heads an attention may have: no weight's shape tells."""

from edge_models.edge.network.known_layer import Candidate

MOST_HEADS = 32


def heads_of(candidate: Candidate, dim: int) -> list[int]:
    """Divisors of the width, those that a module of the candidate has as an attribute first."""
    held = {
        value
        for module in candidate.module.modules()
        for name, value in vars(module).items()
        if "head" in name and type(value) is int
    }
    possible = [heads for heads in range(1, MOST_HEADS + 1) if dim % heads == 0]
    return sorted(possible, key=lambda heads: (heads not in held, heads))
