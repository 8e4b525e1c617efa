"""The output of `check`: one module per family of formats. Every format but the table has all occurrences."""
