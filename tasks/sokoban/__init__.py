"""Sokoban: levels, generator, solver and rules."""
