"""Settings: files, environment, and the options a job records."""
