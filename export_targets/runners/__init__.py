"""Programs that execute a saved model file, one a file, each with one ``RUNNER``."""
