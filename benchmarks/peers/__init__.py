"""Peers from PyPI, in a virtual environment of their own (`make peers`)."""
