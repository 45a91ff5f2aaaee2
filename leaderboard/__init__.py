"""How they compare: records in, verified scores and pages out."""
