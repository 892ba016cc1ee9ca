"""Checks that a result must pass before the next step may trust it."""
