"""Notifications of finished jobs: targets, sending, delivery from the outbox."""
