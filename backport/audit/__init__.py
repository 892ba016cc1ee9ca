"""Audit: what upstream did after, and about, the commits that a series or a branch has."""
