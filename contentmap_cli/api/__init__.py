"""The public API behind the names of `contentmap_cli`: parse a document, crawl a site, read a database."""

from __future__ import annotations

import logging

# a library does not print: the program that uses it decides what happens to log records
logging.getLogger("contentmap").addHandler(logging.NullHandler())
