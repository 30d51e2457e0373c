"""What the three cores are tested against: files with what the Python side computes."""

import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from edge_models.images import normalize, read_image, resize_and_crop, to_pixels, to_rgb
from edge_models.spec import InputSpec
from tests.apps.golden_frames import SIZE as FRAME_SIZE
from tests.apps.golden_frames import frames

Json = dict[str, Any]

# (width, height) of images and (height, width) of inputs: odd sizes, up and down, long ones
SIZES = [
    ((640, 427), (64, 64)),
    ((427, 641), (64, 64)),
    ((33, 47), (64, 64)),
    ((1, 1), (32, 32)),
    ((3, 2), (64, 64)),
    ((2, 150), (32, 32)),
    ((150, 2), (32, 32)),
    ((73, 73), (64, 64)),
    ((64, 64), (64, 64)),
    ((255, 257), (64, 96)),
    ((301, 99), (96, 64)),
    ((41, 45), (64, 96)),
    ((17, 501), (64, 1024)),
    ((1031, 1033), (32, 352)),
    ((90, 31), (352, 32)),
    ((300, 100), (64, 96)),
    ((101, 300), (96, 64)),
    ((7, 5), (32, 96)),
    ((799, 601), (224, 224)),
    ((119, 223), (224, 224)),
]
# (width, height) and (height, width) of images that are stretched, not cropped
STRETCHED = [((640, 427), (64, 96)), ((31, 90), (96, 64)), ((64, 64), (64, 64)), ((1, 3), (32, 64))]
TENSORS = {"mask": [1, 4], "box": [1, 2, 3], "score": [7]}
WRONG_VALUES: list[Any] = [None, "", "x", -1, 0.5, 1e300, True, [], {}, [1], "1", [None] * 4]


def write_golden(folder: Path, artifact: Path) -> None:
    """Fill a new folder; ``artifact`` is one that was just built."""
    shutil.copytree(artifact, folder / "artifact")
    manifest = json.loads((artifact / "manifest.json").read_text(encoding="utf-8"))
    generator = np.random.default_rng(0)
    write_list(folder, "preprocessing", preprocessing(folder, manifest, generator))
    framed = with_input(manifest, InputSpec(), FRAME_SIZE)
    write_list(folder, "frames", frames(folder, framed))
    write_list(folder, "orientations", orientations(folder, generator))
    (folder / "over_black.rgb").write_bytes(over_black().tobytes())
    photos(folder / "photos", generator)
    shutil.copytree(artifact, folder / "assets" / "artifacts" / "bundled")
    write_list(folder, "statistics", statistics(generator))
    write_list(folder, "top_classes", top_classes())
    write_list(folder, "agreement", agreement())
    write_list(folder, "tensors_agreement", tensors_agreement())
    (folder / "tensors.json").write_text(json.dumps(with_tensors(manifest, TENSORS)))
    write_list(folder, "wrong_fields", chain(wrong_fields(manifest), wrong_tensors(manifest)))
    write_list(folder, "mutated", mutated(manifest))


def write_list(folder: Path, name: str, cases: Iterator[Json]) -> None:
    (folder / f"{name}.json").write_text(json.dumps(list(cases)), encoding="utf-8")


def noise(width: int, height: int, generator: np.random.Generator) -> Image.Image:
    """Half of it pure black or white: there a filter's overshoot is clipped."""
    pixels = generator.integers(-128, 384, (height, width, 3)).clip(0, 255)
    return Image.fromarray(pixels.astype(np.uint8))


def stored(folder: Path, name: str, image: Image.Image) -> Json:
    (folder / f"{name}.rgb").write_bytes(image.tobytes())
    return {"path": f"{name}.rgb", "width": image.width, "height": image.height}


def preprocessing(folder: Path, manifest: Json, generator: np.random.Generator) -> Iterator[Json]:
    for interpolation in ("bilinear", "bicubic"):
        spec = replace(InputSpec(), interpolation=interpolation)
        for (width, height), size in SIZES:
            name = f"{interpolation}_{width}x{height}_{size[0]}x{size[1]}"
            image = noise(width, height, generator)
            cropped = resize_and_crop(image, spec, size)
            yield prepared(folder, name, with_input(manifest, spec, size), image, cropped)
        for (width, height), size in STRETCHED:
            image = noise(width, height, generator)
            name = f"{interpolation}_stretched_{width}x{height}_{size[0]}x{size[1]}"
            changed = with_input(manifest, spec, size)
            changed["input"]["resize"] |= {"mode": "stretch", "size": min(size)}
            resample = Image.Resampling[interpolation.upper()]
            rows = image.resize((size[1], height), resample)  # rows first
            yield prepared(folder, name, changed, image, rows.resize(size[::-1], resample))


def prepared(
    folder: Path, name: str, manifest: Json, image: Image.Image, cropped: Image.Image
) -> Json:
    """An image, and what it is when it has the model's size, in bytes and as its input."""
    spec = InputSpec(mean=tuple(manifest["input"]["mean"]), std=tuple(manifest["input"]["std"]))
    values = normalize(to_pixels(cropped), spec).numpy().astype("<f4")
    (folder / f"{name}.f32").write_bytes(values.tobytes())
    return {
        "name": name,
        "manifest": json.dumps(manifest),
        "source": stored(folder, name, image),
        "cropped": stored(folder, f"{name}_cropped", cropped),
        "input": f"{name}.f32",
    }


def with_input(manifest: Json, spec: InputSpec, size: tuple[int, int]) -> Json:
    """A manifest of another input, as ``export_targets/contents.py`` writes it."""
    resize = {
        "size": round(min(size) / spec.crop),
        "interpolation": spec.interpolation,
        "crop": list(size),
    }
    changed = {"shape": [1, 3, *size], "resize": resize, "mean": spec.mean, "std": spec.std}
    return {**manifest, "input": {**manifest["input"], **changed}}


def orientations(folder: Path, generator: np.random.Generator) -> Iterator[Json]:
    image = noise(5, 3, generator)
    for orientation in range(1, 9):
        image.getexif()[0x0112] = orientation
        upright = ImageOps.exif_transpose(image)
        yield {
            "orientation": orientation,
            "source": stored(folder, "turned", image),
            "upright": stored(folder, f"upright_{orientation}", upright),
        }


def over_black() -> Image.Image:
    """Every grey (across) at every transparency (down)."""
    grey, alpha = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    return to_rgb(Image.fromarray(np.dstack([grey, grey, grey, alpha])))


def photos(folder: Path, generator: np.random.Generator) -> None:
    """Image files beside the pixels that Pillow reads from them, and files that are refused."""
    folder.mkdir()
    colour = noise(64, 48, generator)
    smooth = colour.resize((8, 6)).resize((64, 48), Image.Resampling.BICUBIC)
    transparent = colour.copy()
    transparent.putalpha(noise(64, 48, generator).convert("L"))
    exif = Image.Exif()
    exif[0x0112] = 6
    colour.save(folder / "colour.png")
    colour.save(folder / "colour.webp", lossless=True)
    colour.convert("L").save(folder / "grey.png")
    transparent.save(folder / "transparent.png")
    smooth.save(folder / "turned.jpg", exif=exif, quality=95)
    for path in list(folder.iterdir()):
        pixels = read_image(path).tobytes()
        path.with_name(f"{path.name}.rgb").write_bytes(pixels)
    (folder / "no.png").write_bytes(b"no image")
    Image.new("1", (1, 101)).save(folder / "long.png")
    Image.new("1", (7100, 7100)).save(folder / "large.png")


def statistics(generator: np.random.Generator) -> Iterator[Json]:
    for count in range(1, 51):
        samples = generator.lognormal(2, 1, count)
        p50, p90, p99 = np.percentile(samples, (50, 90, 99)).tolist()
        yield {
            "samples": samples.tolist(),
            **{"p50": p50, "p90": p90, "p99": p99},
            "mean": samples.mean().item(),
            "min": samples.min().item(),
        }


def top_classes() -> Iterator[Json]:
    """The first image's classes; two heads are averaged."""
    torch.manual_seed(0)
    for batch, heads, classes in ((1, 1, 10), (1, 2, 10), (3, 2, 7), (2, 1, 4)):
        logits = 5 * torch.randn(heads, batch, classes)
        mean = logits[:, 0].double().mean(0).softmax(-1)
        top = mean.topk(min(5, classes))
        yield {
            **{"batch": batch, "heads": heads, "classes": classes},
            "logits": logits.flatten().tolist(),
            "indices": top.indices.tolist(),
            "probabilities": top.values.tolist(),
        }


def agreement() -> Iterator[Json]:
    """Logits and what the self-test must find: of each head its figures, or why it judges none."""
    generator = np.random.default_rng(0)
    for batch, heads in ((1, 1), (1, 2), (3, 2)):
        for scale in (0.0, 1e-6, 0.01, 1.0, 10.0):
            expected = generator.normal(3, 2, (8, heads, batch, 10)).astype("f4")
            other = expected.copy()  # of two heads, one alone is off
            other[:, -1] += scale * generator.normal(size=other[:, -1].shape)
            yield agreement_case(expected, other)
    expected = generator.normal(3, 2, (8, 1, 1, 10)).astype("f4")
    yield agreement_case(expected, np.broadcast_to(expected.mean(0), expected.shape))  # 0 dB
    far = expected + np.float32(1000)  # an error that is small beside the mean alone
    yield agreement_case(far, (far + generator.normal(size=far.shape)).astype("f4"))
    yield agreement_case(expected[:1], expected[:1])
    yield agreement_case(np.repeat(expected[:1], 8, 0), expected)
    yield agreement_case(expected, np.full_like(expected, np.nan))
    one_class = expected + np.float32(50) * (np.arange(10) == 4)
    yield agreement_case(one_class.astype("f4"), (one_class + 0.001).astype("f4"))
    yield agreement_case(one_class.astype("f4"), (one_class[..., ::-1]).astype("f4"))


def agreement_case(expected: NDArray[Any], actual: NDArray[Any]) -> Json:
    """``expected`` and ``actual``: (samples, heads, batch, classes)."""
    samples, heads, batch, classes = expected.shape
    case: Json = {
        **{"heads": heads, "batch": batch, "classes": classes},
        "expected": expected.reshape(samples, -1).tolist(),
        # JSON has no NaN
        "actual": [
            [v if np.isfinite(v) else None for v in row]
            for row in actual.reshape(samples, -1).tolist()
        ],
        "mark": {"sqnr_db": 40.0, "top1": 0.9},
    }
    if not np.isfinite(actual).all():
        return {**case, "refused": "NaN"}
    found = []
    for head in range(heads):
        wanted = expected[:, head].reshape(-1, classes).astype("f8")
        got = actual[:, head].reshape(-1, classes).astype("f8")
        signal = ((wanted - wanted.mean(0)) ** 2).sum()
        if len(wanted) < 2 or signal == 0:
            return {**case, "refused": "do not tell"}
        noise = ((got - wanted) ** 2).sum()
        first = wanted.argmax(1)
        figures = {
            "sqnr_db": 200.0 if noise == 0 else min(200.0, 10 * np.log10(signal / noise)),
            "top1": (first == got.argmax(1)).mean().item(),
            "constant_agreement": np.bincount(first).max().item() / len(first),
        }
        judged = figures["constant_agreement"] < 0.9
        passes = figures["sqnr_db"] >= 40 and (figures["top1"] >= 0.9 or not judged)
        found.append({**figures, "judged": judged, "passes": bool(passes)})
    return {**case, "found": found}


def tensors_agreement() -> Iterator[Json]:
    """The same of outputs that are no logits: of each tensor its figure, the worst counts."""
    generator = np.random.default_rng(0)
    sizes = [int(np.prod(shape)) for shape in TENSORS.values()]
    expected = generator.normal(3, 2, (8, sum(sizes))).astype("f4")
    for scale in (0.0, 1e-6, 0.01, 1.0):
        other = expected.copy()  # the tensor in the middle alone is off
        middle = slice(sizes[0], sizes[0] + sizes[1])
        other[:, middle] += scale * generator.normal(size=other[:, middle].shape)
        yield tensors_case(expected, other)
    yield tensors_case(expected[:1], expected[:1])
    still = expected.copy()
    still[:, -sizes[-1] :] = 1.0
    yield tensors_case(still, still)
    broken = expected.copy()
    broken[0, 0] = np.nan
    yield tensors_case(expected, broken)


def tensors_case(expected: NDArray[Any], actual: NDArray[Any]) -> Json:
    """``expected`` and ``actual``: (samples, numbers of all tensors)."""
    case: Json = {
        "tensors": [{"name": name, "shape": shape} for name, shape in TENSORS.items()],
        "expected": expected.tolist(),
        "actual": [[v if np.isfinite(v) else None for v in row] for row in actual.tolist()],
        "mark": {"sqnr_db": 40.0},
    }
    if not np.isfinite(actual).all():
        return {**case, "refused": "NaN"}
    ends = np.cumsum([np.prod(shape) for shape in TENSORS.values()])[:-1]
    found = []
    for wanted, got in zip(
        *(np.split(values.astype("f8"), ends, 1) for values in (expected, actual)), strict=True
    ):
        signal = ((wanted - wanted.mean(0)) ** 2).sum()
        if signal == 0:
            return {**case, "refused": "do not tell"}
        noise = ((got - wanted) ** 2).sum()
        sqnr_db = 200.0 if noise == 0 else min(200.0, 10 * np.log10(signal / noise))
        found.append({"sqnr_db": float(sqnr_db), "passes": bool(sqnr_db >= 40)})
    return {**case, "found": found}


def with_tensors(manifest: Json, tensors: Json) -> Json:
    """A manifest of a model whose outputs are no logits, as the Python side writes it."""
    listed = [{"name": name, "shape": shape} for name, shape in tensors.items()]
    numbers = sum(int(np.prod(shape)) for shape in tensors.values())
    output = {"name": "logits", "kind": "tensors", "shape": [1, numbers], "heads": "mean"}
    # there are no classes, and so no names of them to read
    files = [entry for entry in manifest["files"] if entry["path"] != "labels.txt"]
    self_test = {"sqnr_db": 40.0, "top1": 0.0}
    changed = {"output": {**output, "tensors": listed}, "files": files, "selftest": self_test}
    return {**manifest, **changed}


def wrong_tensors(manifest: Json) -> Iterator[Json]:
    """The list of tensors with values of other kinds, without a shape, or larger than memory."""
    whole = with_tensors(manifest, TENSORS)
    for value in WRONG_VALUES:
        yield tensors_changed(whole, "output.tensors", value)
        if value != [1]:  # a shape of one number
            yield tensors_changed(whole, "output.tensors[1].shape", value)
        if not isinstance(value, str):
            yield tensors_changed(whole, "output.tensors[1].name", value)
    for shape in ([0], [1, 0.5], [1, "4"], [-1], [32768] * 12, [8192, 8192, 2]):
        yield tensors_changed(whole, "output.tensors[1].shape", shape, "output.tensors")
    both = [{"name": name, "shape": [8192, 8192]} for name in "ab"]
    yield tensors_changed(whole, "output.tensors", both)


def tensors_changed(whole: Json, path: str, value: Any, field: str = "") -> Json:
    copy = json.loads(json.dumps(whole))
    *_, name = path.split(".")
    place = copy["output"]["tensors"][1] if "[1]" in path else copy["output"]
    place[name] = value
    return {"field": field or path, "manifest": json.dumps(copy)}


def wrong_fields(manifest: Json) -> Iterator[Json]:
    """Every field that an app reads, missing and with values of other kinds."""
    texts = ("name", "model.name", "recipe", "target.name")
    choices = ("kind", "dtype", "layout", "color_order", "normalization", "resize.interpolation")
    used: dict[str, type | tuple[type, ...]] = {
        "schema_version": (),
        **dict.fromkeys(texts, str),
        **dict.fromkeys((f"input.{name}" for name in choices), ()),
        **dict.fromkeys(("input.shape", "input.resize.crop", "input.mean", "input.std"), ()),
        "input.resize.size": (),
        **dict.fromkeys(("output.kind", "output.heads", "output.shape"), ()),
        "golden.samples": (),
        **dict.fromkeys(("selftest.sqnr_db", "selftest.top1"), (int, float)),
        **dict.fromkeys(("input", "output", "selftest", "golden", "model", "target"), ()),
    }
    for path, allowed in used.items():
        *parents, name = path.split(".")
        for value in (..., *WRONG_VALUES):
            if isinstance(value, allowed) and not isinstance(value, bool):
                continue
            copy = json.loads(json.dumps(manifest))
            section = copy
            for parent in parents:
                section = section[parent]
            section.pop(name) if value is ... else section.update({name: value})
            yield {"field": path, "manifest": json.dumps(copy)}
    for value in WRONG_VALUES:  # missing, it is "crop"
        copy = json.loads(json.dumps(manifest))
        copy["input"]["resize"]["mode"] = value
        yield {"field": "input.resize.mode", "manifest": json.dumps(copy)}
    for name in ("path", "bytes", "sha256", "deploy"):
        copy = json.loads(json.dumps(manifest))
        copy["files"][1][name] = None
        yield {"field": f"files[1].{name}", "manifest": json.dumps(copy)}


def mutated(manifest: Json) -> Iterator[Json]:
    """The text with characters replaced, deleted and doubled, and cut off."""
    generator = random.Random(0)
    text = json.dumps(manifest)
    for number in range(240):
        characters = list(text)
        for _ in range(generator.randint(1, 6)):
            place = generator.randrange(len(characters))
            characters[place] = generator.choice(
                ["", '"', "{", "]", ",", "9", "-", "é", "\\", "\x00"]
            )
        end = generator.randrange(len(text)) if number % 10 == 0 else len(text)
        yield {"manifest": "".join(characters[:end])}
