from tests.export_targets.matrix import Matrix


class TestCoreML(Matrix):
    target = "coreml"
