"""HTTP client: connections, address policy, politeness, redirects, retries and response bodies."""
