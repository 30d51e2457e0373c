"""The artifact folder: its format, how it is written and read, and how one replaces another."""
