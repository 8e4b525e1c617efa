"""The checks of `doctor`, with the connections of a crawl."""
