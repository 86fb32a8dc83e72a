"""The blocks of README and docs, run as a reader pastes them."""
