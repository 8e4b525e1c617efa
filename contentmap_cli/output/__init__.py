"""Values to bytes: formats, tables, progress and the HTML report. Uses neither network nor database."""
