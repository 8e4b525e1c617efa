"""Classify responses: a sitemap, an absence, a refusal or another page."""
