"""The processes that execute or measure a saved file, and both sides' protocol."""
