"""What a runner needs to reach a program that is not Python: a phone's app, a compiled one."""
