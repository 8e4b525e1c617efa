"""The parts of `check`: targets, baseline."""
