"""The queue of domain scans and its workers (PostgreSQL)."""
