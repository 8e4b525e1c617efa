"""SQL: engine, guarded sessions, tables, jobs and claims, writing, reading, queue, maintenance."""
