"""Commands that read what is recorded of one domain."""
