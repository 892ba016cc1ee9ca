"""Doors: the only places that touch git, processes, the cache and a run's folder."""
