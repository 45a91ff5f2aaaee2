"""Experts who show how to play: what they do, what they think, and the conversations that this makes."""
