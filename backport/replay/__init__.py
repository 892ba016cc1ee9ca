"""Backports of the past, replayed: what each way to resolve gives, against what a human gave."""
