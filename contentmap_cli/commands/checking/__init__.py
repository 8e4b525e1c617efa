"""Parts of `contentmap check`: what it compares sitemaps with."""
