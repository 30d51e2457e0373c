"""Interpreters of saved files, for formats that no runtime on this machine executes.

An interpreter reads the file from disk and computes on the CPU what the format's published
definition of each operator says, one small function an operator. It imports nothing of the code
that made the file, and refuses what it does not know by name. It says what the file means; the
speed of a device, and the order in which a device adds numbers up, it cannot say.
"""
