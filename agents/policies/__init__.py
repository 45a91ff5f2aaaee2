"""One interface to language models, real or scripted."""
