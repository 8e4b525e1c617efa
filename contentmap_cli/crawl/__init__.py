"""The network wing: addresses and their guard, fetching, robots.txt, discovery, parsing. Knows no SQL."""
