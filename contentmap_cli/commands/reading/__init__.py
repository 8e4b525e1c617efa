"""Commands that show recorded domains."""
