"""Whether a saved file still computes the same function: hops, verify, evaluate, layer errors."""
