"""Mazes on a square lattice: generators, recorded mazes, play move by move, and the whole path in one turn."""
