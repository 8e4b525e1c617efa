"""Ways to reach a site and to identify oneself: proxies, client certificates, netrc, signed requests."""
