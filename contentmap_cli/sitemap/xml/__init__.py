"""Readers of XML sitemaps: strict, tolerant and fast paths."""
