"""Game of 24 and countdown: exact arithmetic, two different games behind one name, and their puzzles."""
