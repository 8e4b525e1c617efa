"""Jobs and their domain scans: creation, claims, cancellation, queries."""
