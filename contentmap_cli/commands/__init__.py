"""The command line: settings, the event loop, the transactions and the exit codes. One file a command."""
