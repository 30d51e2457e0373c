"""From an exported program to a model file. Imported only when a build lowers."""
