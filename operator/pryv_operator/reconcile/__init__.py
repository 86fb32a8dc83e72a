"""One reconciliation of one platform: observe, ensure, compute, apply, clean up, report."""
