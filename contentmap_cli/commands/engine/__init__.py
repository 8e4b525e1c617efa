"""The run engine: claims, fan-out, transactions, recovery, progress and exit codes."""
