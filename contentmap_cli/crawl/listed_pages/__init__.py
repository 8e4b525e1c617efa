"""Requests for the pages that sitemaps list: listed URLs in, `PageFacts` out."""
