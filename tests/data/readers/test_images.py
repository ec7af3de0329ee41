"""Images in folders: their pixels come back exactly, and a file that is not an image is reported by its path."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

from arignote import DataError
from arignote.data.readers.images import ImageFolderReader
from arignote.data.readers.user_reader import check_reader

Image = pytest.importorskip("PIL.Image", reason="images are decoded with Pillow")
RNG = np.random.default_rng(0)


def pixels(*shape):
    return RNG.integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    """A function that writes arrays, PIL images or bytes by their path."""

    def write(images):
        for name, image in images.items():
            path = tmp_path / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(image, bytes):
                path.write_bytes(image)
            else:
                (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(path)
        return tmp_path / "images"

    return write


def test_pixels_and_labels_come_back_sorted_by_class_and_name(folder):
    images = {f"{kind}/{n}.png": pixels(4, 6, 3) for kind in ("dog", "cat") for n in ("10", "02", "01")}
    reader = ImageFolderReader(folder(images))
    assert reader.shape == (6, 3, 4, 6) and reader.dtype == np.uint8 and reader.chunk_rows is None
    assert reader.labels.tolist() == ["cat"] * 3 + ["dog"] * 3
    expected = np.array([images[name].transpose(2, 0, 1) for name in sorted(images)])
    assert np.array_equal(reader.read(slice(0, 6)), expected)
    assert np.array_equal(reader.read(np.array([5, 0, 5])), expected[[5, 0, 5]])
    check_reader(reader)


def test_grey_images_have_one_channel_unless_one_is_coloured_or_the_mode_is_set(folder):
    grey = {"a/1.png": pixels(3, 3), "b/1.png": pixels(3, 3)}
    reader = ImageFolderReader(folder(grey))
    assert reader.shape == (2, 1, 3, 3)
    assert np.array_equal(reader.read(slice(0, 2))[:, 0], list(grey.values()))
    coloured = ImageFolderReader(reader.folder, mode="RGB")
    assert np.array_equal(coloured.read(slice(0, 1))[0], np.stack([grey["a/1.png"]] * 3))
    assert ImageFolderReader(folder({"c/1.png": pixels(3, 3, 3)})).shape == (3, 3, 3, 3)
    assert ImageFolderReader(reader.folder, mode="L").shape == (3, 1, 3, 3)


def test_images_of_several_sizes_are_resized_and_their_sizes_kept(folder):
    flat = {"a/1.png": np.full((10, 20), 7, np.uint8), "b/1.png": np.full((30, 5), 9, np.uint8)}
    reader = ImageFolderReader(folder(flat), size=(8, 4))
    assert reader.shape == (2, 1, 8, 4)
    assert reader.read(slice(0, 2)).reshape(2, -1).tolist() == [[7] * 32, [9] * 32]
    channels = reader.channels()
    assert channels["features"] is reader and channels["size"].read(slice(0, 2)).tolist() == [[10, 20], [30, 5]]
    assert reader.sizes.dtype.kind == "i"
    check_reader(reader)


def test_resizing_averages_all_pixels_and_does_not_pick_some(folder):
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))
    reader = ImageFolderReader(folder({"a/1.png": stripes, "b/1.png": stripes}), size=(8, 8))
    found = reader.read(slice(0, 1))[0, 0, 1:-1, 1:-1]
    assert np.abs(found.astype(int) - 127).max() <= 2


def test_palettes_alpha_and_black_and_white_are_brought_to_the_mode(folder):
    palette = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    palette.putpalette([10, 20, 30, 40, 50, 60])
    # Two degrees of it are kept as bytes, of which Pillow warns.
    palette.info["transparency"] = b"\x10\x80"
    see_through = np.array([[[10, 20, 30, 0], [40, 50, 60, 255]]], np.uint8)
    root = folder({"a/1.png": palette, "b/1.png": see_through, "c/1.png": Image.new("1", (2, 1), 1)})
    found = ImageFolderReader(root).read(slice(0, 3)).transpose(0, 2, 3, 1)
    assert found[0].tolist() == found[1].tolist() == [[[10, 20, 30], [40, 50, 60]]]
    assert found[2].tolist() == [[[255] * 3] * 2]


def test_hidden_files_and_other_files_are_skipped(folder):
    kept = {"a/1.PNG": pixels(2, 2), "b/1.bmp": pixels(2, 2)}
    others = {"a/notes.txt": b"", "a/.1.png": b"", ".git/1.png": b"", "readme.png": b"", "b/Thumbs.db": b""}
    assert len(ImageFolderReader(folder(kept | others))) == 2


def test_images_of_different_sizes_need_a_size(folder):
    root = folder({"a/1.png": pixels(3, 4), "a/2.png": pixels(3, 4), "b/1.png": pixels(5, 4)})
    with pytest.raises(DataError, match=r"b/1.png: is 5 x 4 .*a/1.png is 3 x 4: set size="):
        ImageFolderReader(root)


@pytest.mark.parametrize(
    "files, message",
    [
        ({"a/1.png": pixels(2, 2)}, "holds one class only, 'a'"),
        ({"a/1.txt": b"", "b/.1.png": b""}, r"holds no images in folders.*2 folders with 2 files, none of them .png"),
        ({"1.png": pixels(2, 2)}, "holds no images in folders.* 1 images are not in a folder of a class"),
        (
            {"a/1.png": pixels(2, 2), "b/1.txt": b""},
            r"b: holds no images \(.png .*each folder is a class and must hold images",
        ),
        ({"a/1.png": pixels(2, 2), "b/1.png": b"no image"}, "b/1.png: is not an image, or is broken"),
        ({"a/1.png": pixels(2, 2), "b/1.png": b""}, "b/1.png: is not an image"),
        ({"a/1.png": pixels(2, 2), "b/1.png": pixels(2, 2).astype(np.uint16)}, "b/1.png: has pixels of more than 8"),
    ],
)
def test_errors_of_a_folder_are_reported_with_the_path(folder, files, message):
    with pytest.raises(DataError, match=message):
        ImageFolderReader(folder(files))


def test_a_truncated_image_is_reported_when_it_is_read(folder):
    root = folder({"a/1.png": pixels(50, 50, 3), "b/1.png": pixels(50, 50, 3)})
    whole = (root / "b/1.png").read_bytes()
    (root / "b/1.png").write_bytes(whole[: len(whole) // 2])
    reader = ImageFolderReader(root)
    assert reader.read(slice(0, 1)).shape == (1, 3, 50, 50)
    with pytest.raises(DataError, match=r"b/1.png: cannot be decoded"):
        reader.read(slice(0, 2))


def test_an_image_of_another_size_than_before_is_reported(folder):
    reader = ImageFolderReader(folder({"a/1.png": pixels(2, 3), "b/1.png": pixels(2, 3)}))
    folder({"b/1.png": pixels(3, 3)})
    with pytest.raises(DataError, match=r"b/1.png: is now \(3, 3\).*was \(2, 3\): did the file change"):
        reader.read(slice(0, 2))


def test_a_folder_that_is_not_there_or_cannot_be_read_is_reported(folder, tmp_path, monkeypatch):
    with pytest.raises(DataError, match="there is no such folder"):
        ImageFolderReader(tmp_path / "none")
    root = folder({"a/1.png": pixels(2, 2), "b/1.png": pixels(2, 2)})

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    # Root may read all folders, so that a real one cannot be closed to these tests.
    monkeypatch.setattr("pathlib.Path.iterdir", refuse)
    with pytest.raises(DataError, match=r"cannot be read.*Permission denied"):
        ImageFolderReader(root)


@pytest.mark.parametrize("how", [{"mode": "CMYK"}, {"size": (0, 3)}, {"size": (3,)}])
def test_an_impossible_mode_or_size_is_reported(folder, how):
    with pytest.raises(DataError, match=next(iter(how))):
        ImageFolderReader(folder({"a/1.png": pixels(2, 2), "b/1.png": pixels(2, 2)}), **how)


def test_the_stamp_changes_with_the_number_and_the_time_of_the_images(folder):
    reader = ImageFolderReader(folder({"a/1.png": pixels(2, 2), "b/1.png": pixels(2, 2)}))
    os.utime(reader.folder / "b/1.png", ns=(1, 2**62))
    assert reader.stamp() == (2, 2**62)
    folder({"b/2.png": pixels(2, 2)})
    assert reader.stamp() == (3, 2**62)


def test_without_pillow_the_error_names_the_command_that_installs_it(folder, monkeypatch):
    root = folder({"a/1.png": pixels(2, 2), "b/1.png": pixels(2, 2)})
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(DataError, match=r"pip install 'arignote\[images\]'"):
        ImageFolderReader(root)
