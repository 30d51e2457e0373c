"""Recipes (how numbers are represented, as data), calibration and torchao's PT2E quantization."""
