"""From response bodies to rows on disk: parser threads and processes, spools, the body cache."""
