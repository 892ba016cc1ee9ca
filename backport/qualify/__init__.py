"""Qualification: what a fleet asks of the ported feature beyond its tests, each with a verdict."""
