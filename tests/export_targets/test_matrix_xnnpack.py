from tests.export_targets.matrix import Matrix


class TestXnnpack(Matrix):
    target = "xnnpack"
    others = (
        *(("digits_cotnet_simple", "fp32"), ("digits_cotnet_simple", "int8")),
        ("digits_cotnet", "int8"),
    )
