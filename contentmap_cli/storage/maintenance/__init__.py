"""Removing what is too old, and returning free space."""
