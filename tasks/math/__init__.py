"""Mathematics: generated and real problem sets, answered in one turn and verified."""
