"""Writes a version of a dataset as files that other programs load. Knows no framework, no database and no store."""
