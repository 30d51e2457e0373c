"""The published layers that are recognized: one family a file, each with its ``KNOWN``."""
