"""What the listed pages of a domain answered, and the runs that asked them."""
