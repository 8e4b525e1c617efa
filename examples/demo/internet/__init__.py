"""A small simulated internet: some fifty domains, healthy and otherwise, served from one loopback port."""
