"""Resolves what a plain merge leaves, without rules of a feature; abstains when in doubt."""
