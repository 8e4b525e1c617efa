"""How far the lastmods of a site can be trusted."""
