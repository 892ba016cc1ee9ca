"""Readers: text or bytes in, values out. Errors name file, line and key."""
