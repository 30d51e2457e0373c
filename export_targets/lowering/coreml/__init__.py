"""Lowering to Core ML: a package, or the delegate of a ``.pte``."""
