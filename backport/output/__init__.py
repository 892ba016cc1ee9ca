"""Output: reports, tables and series for people and programs."""
