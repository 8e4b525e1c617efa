"""Opens the database of a command, finds jobs and domains in it, prunes it."""
