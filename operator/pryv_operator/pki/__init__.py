"""The private certificate authority, and checks of certificates. The clock is an argument."""
