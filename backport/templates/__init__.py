"""Jinja2 templates of the report and of the cover letter."""
