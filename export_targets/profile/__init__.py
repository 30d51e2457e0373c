"""Latency: measured in turns, by operator, with ratios to a baseline."""
