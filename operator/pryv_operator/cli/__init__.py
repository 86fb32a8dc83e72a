"""The commands pryv-operator and kubectl-pryv."""
