"""Side-by-side benchmarks: `python -m benchmarks NAME` prints ours, the peer's and the ratio from one run."""
