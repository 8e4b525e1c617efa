"""One run of a job by this process: claims, heartbeat, progress, answer and exit code."""
