"""Advice: why a difference is there, the ways out with their costs, and who would miss a rule."""
