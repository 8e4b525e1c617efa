"""Opening the database for a command, looking things up in it, and pruning it."""
