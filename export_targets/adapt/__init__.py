"""``adapt``: weights that lose less in a recipe's numbers, learned from the FP32 one's answers."""
