"""How ``build`` is asked on the command line for what a request asks for."""

from dataclasses import fields

from edge_models.errors import InputError
from export_targets.request import BuildRequest

OWN = ("model", "target", "recipe", "images", "out", "force", "options")  # a tune's, not a build's
OF_ONE_BUILD = ("keep_float", "agreement", "top1_drop", "class_order")
NEGATED = {"golden_images": "no-golden-images", "verify": "no-verify"}  # flags for what is not


def build_options(request: BuildRequest) -> dict[str, str]:
    """What is not as a build has it by default, by option; of a flag nothing. Raises InputError for
    what the builds of a tune cannot be given.
    """
    if request.module is not None:
        raise InputError(
            "A network in memory does not reach builds in processes of their own.",
            "Give the place of a function that returns it, FILE.py:FUNCTION, as the model.",
        )
    found = dict(request.options)
    for field in fields(BuildRequest):
        name, value = field.name, getattr(request, field.name)
        if name in OWN or value == field.default:
            continue
        if name in OF_ONE_BUILD:
            raise InputError(
                f"{name} is of one build, and a tune has several.",
                "Leave it away; each of a tune's agreements is searched for.",
            )
        found[NEGATED.get(name, name.replace("_", "-"))] = _written(value)
    return found


def _written(value: object) -> str:
    if isinstance(value, bool):
        return ""
    if isinstance(value, tuple):  # pixels, or red, green and blue
        return ("x" if len(value) == 2 else ",").join(map(str, value))
    return str(value)
