"""What a response is evidence of: a sitemap, an absence, a refusal or another page."""
