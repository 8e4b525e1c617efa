"""The rules of the sitemap protocol and of good practice: values in, findings out.

    CheckedSite, CheckedFile, entries --Checker--> families of rules --Notes--> findings

A family is one file: its rules, and a class that looks at files and entries as they pass by. Nothing here
reads a file, a socket or a database, and nothing keeps an entry: memory holds a few bytes for each URL.
"""
