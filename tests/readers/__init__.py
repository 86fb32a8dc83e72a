"""The rendered files, read by the programs and libraries that read them in production."""
