"""One runtime format a file, each with one ``TARGET``."""
