"""Coverage-guided fuzzing of everything that takes bytes from outside (see docs/develop.md, "Fuzzing")."""
