"""Who learns: training recipes over recorded episodes."""
