"""Recipes and agreements of one model in one run, each built and measured, and one chosen."""
