"""Rules that compare sitemaps with robots.txt, and with lists of URLs."""
