from tests.export_targets.matrix import Matrix


class TestCoreMLPte(Matrix):
    target = "coreml_pte"
