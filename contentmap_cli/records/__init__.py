"""The SQL wing: tables, sessions, jobs, files, entries, queries. Knows no network.

Services take a session and never begin, commit or roll back: the commands own the transactions.
"""
