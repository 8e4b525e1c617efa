"""Reading what is recorded: files, entries, comparisons."""
