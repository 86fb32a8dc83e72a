"""The private authority, and checks of certificates. Pure; the clock is an argument."""
