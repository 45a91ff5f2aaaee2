"""Mathematics: original problems in AIME's format, arithmetic, and the published data sets, judged by the verifier."""
