"""Multi-armed bandits in words: EVOLvE's configurations, recorded instances, and the learners that play them."""
