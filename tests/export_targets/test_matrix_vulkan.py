from tests.export_targets.matrix import Matrix


class TestVulkan(Matrix):
    target = "vulkan"
