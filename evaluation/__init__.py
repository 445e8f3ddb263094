"""Measurements of what is shipped: every number comes from a command in this package."""
