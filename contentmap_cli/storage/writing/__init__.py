"""Writing a domain's result: files, entries, changes and history."""
