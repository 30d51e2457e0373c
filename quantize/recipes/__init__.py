"""One scheme a file, each with one ``RECIPE``."""
