"""Which files of a folder are its images, and that whatever is passed over is counted."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_models import image_folder
from edge_models.errors import InputError
from edge_models.image_folder import NO_FILE, list_images, spread
from edge_models.image_reading import CropReader
from edge_models.images import decode
from edge_models.spec import InputSpec

WHITE = Image.new("RGB", (8, 8), "white")


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        WHITE.save(folder / name, "PNG")


def found(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in list_images(folder).paths]


def test_hidden_files_and_the_remains_of_archives_are_counted_not_read(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.jpg", "a/._1.jpg", ".ipynb_checkpoints/1.jpg", "__MACOSX/a/._1.jpg")
    listed = list_images(tmp_path)
    assert found(tmp_path) == ["a/1.jpg"]
    assert listed.hidden == 3
    assert any("3 hidden" in note for note in listed.notes("photographs"))


def test_other_endings_are_counted_by_ending(tmp_path: Path) -> None:
    fill(tmp_path, "1.jfif", "2.JPE", "a/3.png")
    for name in ("4.HEIC", "5.HEIC", "6.mov", "a/README"):
        (tmp_path / name).touch()
    listed = list_images(tmp_path)
    assert found(tmp_path) == ["1.jfif", "2.JPE", "a/3.png"]
    assert listed.others == {".HEIC": 2, ".mov": 1, "README": 1}
    notes = listed.notes("photographs")
    assert any("2 .HEIC, 1 .mov, 1 README" in note for note in notes)
    assert any("pillow-heif" in note for note in notes)


def test_heic_is_read_where_its_reader_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered = []
    monkeypatch.setattr(image_folder, "find_spec", lambda name: name == "pillow_heif")
    reader = type(sys)("pillow_heif")
    reader.register_heif_opener = lambda: registered.append("opener")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pillow_heif", reader)
    fill(tmp_path, "1.HEIC")
    assert found(tmp_path) == ["1.HEIC"]
    assert decode(tmp_path / "1.HEIC").image.size == (8, 8)
    assert registered == ["opener"]


def test_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    fill(tmp_path, "store/1.png", "photographs/own.png")
    (tmp_path / "photographs" / "linked").symlink_to(tmp_path / "store")
    (tmp_path / "photographs" / "file.png").symlink_to(tmp_path / "store" / "1.png")
    (tmp_path / "store" / "back").symlink_to(tmp_path / "photographs")
    (tmp_path / "photographs" / "self").symlink_to(".")
    assert found(tmp_path / "photographs") == ["file.png", "linked/1.png", "own.png"]


def test_what_is_no_file_is_counted(tmp_path: Path) -> None:
    (tmp_path / "gone.png").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.png")
    assert list_images(tmp_path).others == {NO_FILE: 2}


@pytest.mark.parametrize(
    ("count", "expected"), [(3, [0, 3, 6]), (10, [*range(10)]), (99, [*range(10)])]
)
def test_a_choice_is_even(count: int, expected: list[int]) -> None:
    assert spread(range(10), count) == expected


def reader(folder: Path, total: int, strict: bool = False) -> CropReader:
    return CropReader(folder, total, InputSpec(), (32, 32), strict)


def test_a_tenth_may_be_unreadable(tmp_path: Path) -> None:
    fill(tmp_path, *(f"{index:02}.png" for index in range(20)))
    for name in ("03.png", "07.png"):
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[:40])
    paths = list_images(tmp_path).paths
    lenient = reader(tmp_path, 20)
    assert len(lenient.read_all(paths, lambda: None)) == 18
    assert [Path(line.split()[2]).name for line in lenient.unreadable] == ["03.png", "07.png"]
    assert sum("cannot be read" in note for note in lenient.notes()) == 2
    with pytest.raises(InputError, match=r"03\.png cannot be read"):
        reader(tmp_path, 20, strict=True).read_all(paths, lambda: None)
    (tmp_path / "11.png").write_bytes(b"")
    with pytest.raises(InputError, match="More than a tenth of the 20 images"):
        reader(tmp_path, 20).read_all(paths, lambda: None)


def save_16_bits(path: Path, highest: int) -> None:
    ramp = np.linspace(0, highest, 64).reshape(8, 8).astype(np.uint16)
    Image.fromarray(ramp).save(path)


def png_of_16_bit_rgb(highest: int) -> bytes:
    import struct
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    ramp = np.linspace(0, highest, 8 * 8 * 3).reshape(8, 8, 3).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in ramp)
    header = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("highest", "narrow"), [(4095, True), (8000, True), (65535, False)])
def test_16_bits_that_use_little_of_their_range_are_counted(
    highest: int, narrow: bool, tmp_path: Path
) -> None:
    save_16_bits(tmp_path / "grey.png", highest)
    save_16_bits(tmp_path / "grey.tif", highest)
    (tmp_path / "colour.png").write_bytes(png_of_16_bit_rgb(highest))
    several = reader(tmp_path, 3)
    several.read_all(list_images(tmp_path).paths, lambda: None)
    assert several.narrow == 3 * narrow
    assert any("3 of the 3 images" in note for note in several.notes()) == narrow


def test_a_black_image_of_8_bits_is_nothing_to_warn_of(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "night.png")
    assert not decode(tmp_path / "night.png").narrow


def test_floating_point_and_32_bit_images_are_refused_with_the_remedy(tmp_path: Path) -> None:
    Image.fromarray(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)).save(tmp_path / "f.tif")
    wide = (np.arange(64).reshape(8, 8) * 10**6).astype(np.int32)
    Image.fromarray(wide).save(tmp_path / "i.tif")
    for name, kind in (("f.tif", "floating-point"), ("i.tif", "32-bit")):
        with pytest.raises(InputError, match=f"{name}.*{kind}") as error:
            decode(tmp_path / name)
        assert error.value.remedy == "Save it with 8 or 16 bits a channel."
    with pytest.raises(InputError) as error:
        reader(tmp_path, 2).read_all(list_images(tmp_path).paths, lambda: None)
    assert "8 or 16 bits" in error.value.remedy
