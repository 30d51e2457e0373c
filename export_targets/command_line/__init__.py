"""The command line and its tables. Switches of the whole process stand here alone."""
