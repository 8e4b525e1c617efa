"""Parsers of HTML pages: links to sitemaps, and the features that show the kind of a page."""
