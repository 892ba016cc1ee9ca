"""Picking: commits onto a tree, in the object store, with rules for the conflicts."""
