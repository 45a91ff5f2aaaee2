"""Sokoban: rules, generator and solver."""
