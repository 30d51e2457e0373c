"""What the target vulkan needs beside its data: see ``targets/vulkan.py``."""
