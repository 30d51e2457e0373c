"""Calibration images: sources, folder rules, digests."""

import weakref
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from edge_models import image_reading
from edge_models.catalog import model_spec, model_specs
from edge_models.digits import digits
from edge_models.errors import InputError
from edge_models.images import Decoded, crops, decode, to_image, to_pixels
from quantize.calibration import DEFAULT_SAMPLES, Images, ImageSets, Wanted, image_sets, synthetic

DIGITS = [spec.name for spec in model_specs().values() if spec.embedded]
PUBLISHED = "cotnet50_simple"


def choose(
    source: object,
    samples: int = 12,
    golden: int = 4,
    seed: int = 0,
    name: str = PUBLISHED,
    strict: bool = False,
    judged: int = 4,
) -> ImageSets:
    given = None if source is None else str(source)
    wanted = Wanted((64, 64), samples, golden, max(golden, judged), seed, strict)
    return image_sets(model_spec(name), given, wanted, lambda: None)


def pixels(images: Images | None) -> list[bytes]:
    assert images is not None
    return [to_image(crop).tobytes() for crop in images.crops]


def fill(folder: Path, count: int, broken: int = 0) -> Path:
    """A folder with sub-folders of images that differ, and some broken files."""
    generator = np.random.default_rng(1)
    for index in range(count):
        path = folder / f"class {index % 3}" / "deep" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        array = generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(array).save(path)
        if index < broken:
            path.write_bytes(path.read_bytes()[:40])
    (folder / "labels.csv").write_text("not an image")
    return folder


def test_folder_is_read_recursively_and_golden_images_are_not_calibrated_on(tmp_path: Path) -> None:
    sets = choose(fill(tmp_path, 40))
    calibration, golden = pixels(sets.calibration), pixels(sets.judged)
    assert (len(calibration), len(golden)) == (12, 4)
    assert len({*calibration, *golden}) == 16
    assert sets.calibration is not None
    assert sets.calibration.source == f"folder {tmp_path.name}"
    assert sets.judged.source == f"folder {tmp_path.name}, not calibrated on"


def test_what_a_folder_has_beyond_its_calibration_judges_too(tmp_path: Path) -> None:
    few, more = (choose(fill(tmp_path, 40), judged=judged) for judged in (4, 20))
    assert pixels(few.calibration) == pixels(more.calibration)
    assert (len(pixels(few.judged)), len(pixels(more.judged))) == (4, 20)
    assert pixels(more.judged)[:4] == pixels(few.judged)
    assert not set(pixels(more.judged)) & set(pixels(more.calibration))
    enough_for_four = choose(tmp_path, samples=34, judged=20)
    assert len(pixels(enough_for_four.calibration)) == 34
    assert len(pixels(enough_for_four.judged)) == 6


def test_folder_choice_is_seeded(tmp_path: Path) -> None:
    fill(tmp_path, 40)
    first, again, other = choose(tmp_path), choose(tmp_path), choose(tmp_path, seed=1)
    assert pixels(first.calibration) == pixels(again.calibration)
    assert pixels(first.judged) == pixels(again.judged)
    assert pixels(first.calibration) != pixels(other.calibration)


def test_small_folder_serves_golden_images_too(tmp_path: Path) -> None:
    sets = choose(fill(tmp_path, 8), samples=DEFAULT_SAMPLES)
    assert (len(pixels(sets.calibration)), len(pixels(sets.judged))) == (4, 4)
    assert not set(pixels(sets.calibration)) & set(pixels(sets.judged))


def test_that_photographs_are_kept_is_said(tmp_path: Path) -> None:
    sets = choose(fill(tmp_path, 40))
    assert sets.calibration is not None
    (note,) = [note for note in sets.calibration.notes if "golden" in note]
    assert "4 photographs are stored in the artifact" in note
    assert "--no-golden-images" in note


def test_no_photograph_is_kept_where_that_is_not_wanted(tmp_path: Path) -> None:
    wanted = Wanted((64, 64), 12, 4, 4, 0, folder_golden=False)
    sets = image_sets(model_spec(PUBLISHED), str(fill(tmp_path, 40)), wanted, lambda: None)
    assert sets.calibration is not None
    assert "scikit-learn" in sets.judged.source
    assert (len(sets.calibration.crops), len(sets.judged.crops)) == (12, 4)
    assert not set(pixels(sets.judged)) & set(pixels(sets.calibration))
    assert not any("golden" in note for note in sets.calibration.notes)


@pytest.mark.parametrize("name", [PUBLISHED, *DIGITS])
def test_folder_too_small_to_share_is_calibrated_on_whole(name: str, tmp_path: Path) -> None:
    sets = choose(fill(tmp_path, 7), name=name)
    assert len(pixels(sets.calibration)) == 7
    assert "scikit-learn" in sets.judged.source
    assert len(pixels(sets.judged)) == 4


def test_progress_is_told_of_each_image(tmp_path: Path) -> None:
    calls: Counter[str] = Counter()
    spec = model_spec(PUBLISHED)
    wanted = Wanted((64, 64), 12, 4, 4, 0)
    image_sets(spec, str(fill(tmp_path, 40)), wanted, lambda: calls.update(["image"]))
    assert calls["image"] == 16


def test_a_tenth_may_be_unreadable_and_is_named(tmp_path: Path) -> None:
    sets = choose(fill(tmp_path, 10, broken=1), samples=20)
    assert sets.calibration is not None
    assert sets.calibration.unreadable == 1
    (note,) = [note for note in sets.calibration.notes if note.startswith("Left out: ")]
    assert "0.png cannot be read" in note
    assert len(sets.calibration.crops) + len(sets.judged.crops) == 9


def test_what_is_no_image_is_counted(tmp_path: Path) -> None:
    sets = choose(fill(tmp_path, 10))
    assert sets.calibration is not None
    assert any("1 .csv" in note for note in sets.calibration.notes)


def test_none_may_be_unreadable_where_it_is_strict(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"0\.png cannot be read"):
        choose(fill(tmp_path, 10, broken=1), samples=20, strict=True)


def test_no_photograph_is_kept_once_it_is_cropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photographs: list[weakref.ref[Image.Image]] = []

    def watched(path: Path) -> Decoded:
        decoded = decode(path)
        assert sum(kept() is not None for kept in photographs) <= 1  # the one just cropped
        photographs.append(weakref.ref(decoded.image))
        return decoded

    monkeypatch.setattr(image_reading, "decode", watched)
    sets = choose(fill(tmp_path, 20), samples=20)
    assert len(photographs) == 20
    assert all(kept() is None for kept in photographs)
    assert sets.calibration is not None
    assert sets.calibration.crops.shape == (16, 3, 64, 64)


@pytest.mark.parametrize("broken", [2, 10])
def test_more_unreadable_images_are_refused(broken: int, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        choose(fill(tmp_path, 10, broken), samples=20)
    assert error.value.what.startswith(f"More than a tenth of the 10 images of {tmp_path} cannot")
    assert ".png" in error.value.what
    assert error.value.remedy


def test_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(InputError, match="holds no images"):
        choose(tmp_path)


@pytest.mark.parametrize("name", ["absent", "file.png"])
def test_what_is_not_a_folder_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "file.png").touch()
    with pytest.raises(InputError) as error:
        choose(tmp_path / name)
    assert str(tmp_path / name) in error.value.what
    assert "synthetic" in error.value.remedy


@pytest.mark.parametrize("name", DIGITS)
def test_digits_models_calibrate_on_training_digits_and_are_gated_on_held_out(name: str) -> None:
    sets = choose(None, samples=20, name=name)
    training, held_out = ({i.tobytes() for i in digits(s)[0]} for s in ("train", "held_out"))
    assert set(pixels(sets.calibration)) <= training
    assert set(pixels(sets.judged)) <= held_out
    assert (len(set(pixels(sets.calibration))), len(set(pixels(sets.judged)))) == (20, 4)
    other = choose(None, samples=20, name=name, seed=1)
    assert pixels(sets.calibration) != pixels(other.calibration)


def test_published_model_has_no_calibration_images_of_its_own() -> None:
    sets = choose(None)
    assert sets.calibration is None
    assert len(set(pixels(sets.judged))) == 4


def test_synthetic_images_are_asked_for_by_name() -> None:
    sets = choose("synthetic", samples=3)
    assert sets.calibration is not None
    assert sets.calibration.source == "synthetic"
    expected = crops(synthetic(3, 0), model_spec(PUBLISHED).input, (64, 64))
    assert torch.equal(sets.calibration.crops, expected)
    assert "photographs" in sets.judged.source


def test_synthetic_images_are_seeded_and_vary() -> None:
    first, again, other = synthetic(6, 0), synthetic(6, 0), synthetic(6, 1)
    assert [i.tobytes() for i in first] == [i.tobytes() for i in again]
    assert len({i.tobytes() for i in first + other}) == 12
    arrays = [np.asarray(image).astype(float) for image in first]
    means = [array.mean() for array in arrays]
    assert max(means) - min(means) > 15
    assert all(20 < array.std() < 90 for array in arrays)


def test_synthetic_neighbours_go_together_as_in_photographs() -> None:
    for image in synthetic(3, 2):
        array = np.asarray(image).astype(float)
        assert np.corrcoef(array[:, 1:].ravel(), array[:, :-1].ravel())[0, 1] > 0.6
        assert np.corrcoef(array[..., 0].ravel(), array[..., 1].ravel())[0, 1] > 0.3
        assert not np.array_equal(array[..., 0], array[..., 1])


def test_digest_changes_with_a_pixel_the_order_and_the_size() -> None:
    both = torch.stack([to_pixels(image) for image in synthetic(2, 0)])
    digest = Images("a", both).sha256()
    assert digest == Images("b", both.clone()).sha256()
    changed = both.clone()
    changed[1, 2, 7, 5] ^= 1
    digests = [
        digest,
        Images("a", changed).sha256(),
        Images("a", both.flip(0)).sha256(),
        Images("a", both[:, :, :128]).sha256(),
        Images("a", both[:, :, :128].reshape(2, 3, 256, 128)).sha256(),
    ]
    assert len(set(digests)) == len(digests)
