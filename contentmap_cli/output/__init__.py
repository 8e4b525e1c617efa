"""Values to bytes: formats, tables, progress and the HTML report. No network, no database."""
