"""ContentMap: a batch crawler that maps what websites publish and records it."""

__version__ = "0.1.0"
