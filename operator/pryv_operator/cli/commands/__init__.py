"""The commands: their options and help. What does the work is imported when a command is called."""
