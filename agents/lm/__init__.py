"""Language models in process: one protocol, one engine."""
