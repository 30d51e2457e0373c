"""Vulkan delegates of ExecuTorch: reading one out of a ``.pte`` and running it on the CPU."""
