"""Readers of HTML pages: links to sitemaps, and what a page is for."""
