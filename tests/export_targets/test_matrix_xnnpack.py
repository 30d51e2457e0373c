from tests.export_targets.matrix import Matrix


class TestXnnpack(Matrix):
    target = "xnnpack"
