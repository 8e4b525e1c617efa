"""Options, input, output, errors and logging of all commands."""
