"""Values to bytes: tables, JSON, NDJSON, CSV and the rest. Knows neither the network nor the database."""
