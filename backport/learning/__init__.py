"""Learning: a resolution made by hand becomes the smallest rules that make it again."""
