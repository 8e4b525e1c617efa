"""Answers of one command each, in all of their formats."""
