"""The output of one command per module, in all of its formats."""
