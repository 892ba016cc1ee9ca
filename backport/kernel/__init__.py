"""Kernel: a tree is configured and built, and each commit's objects are."""
