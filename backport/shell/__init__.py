"""Shell: the command line, the pipeline, and the one console."""
