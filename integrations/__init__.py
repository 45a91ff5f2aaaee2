"""Adapters, one module for each foreign framework; nothing imports them."""
