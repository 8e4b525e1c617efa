"""The rules of `check`: the sitemap protocol and good practice. Values in, findings out.

    CheckedSite, CheckedFile, entries --Checker--> families of rules --Notes--> findings

A family is one module: its rules, and a class that is given each file and its entries. Nothing here reads a
file, a socket or the database. Entries are not kept: memory holds a few bytes per URL, and occurrences are
in a temporary file (`occurrences`).
"""
