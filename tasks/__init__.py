"""What is to be solved: instances, exact rules, solvers, verification."""
