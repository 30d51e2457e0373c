"""Core ML programs (MIL): read from a package on disk, executed operator by operator."""
