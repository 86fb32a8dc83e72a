"""One pass for one platform: gather inputs, compute what should be, apply differences, observe, say how it is."""
