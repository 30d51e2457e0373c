"""From a reference model to a verified artifact: targets, runners, pipeline, command line."""
