"""Who plays: policies, agents, the episode runner and the episode record."""
