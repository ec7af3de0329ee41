"""Reader of images in folders, one folder per class, decoded when they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.readers.base import Array, ArrayReader, Reader, RowIndex
from arignote.errors import DataError

__all__ = ["ImageFolderReader"]

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
# Modes of Pillow: 1 bit, 8 bits, 8 bits and alpha.
_GREY = ("1", "L", "LA")
_CHANNELS = {"L": 1, "RGB": 3}


class ImageFolderReader(Reader):
    """Reader of images, (rows, channels, height, width) of uint8, sorted by class, then by file name.

    A class is a folder: "folder/cat/001.png". Hidden files and files without the suffix of an image are skipped. Pixels
    are returned as they are stored: not rotated by EXIF, without alpha; of an animation, the first image is read.

    Parameters
    ----------
    folder : str or Path
        Folder with one folder per class.
    size : (int, int) or int, optional
        Height and width in pixels to which images are resized (bilinear, antialiased). Required if sizes differ.
    mode : {"L", "RGB"}, optional
        Grey or colour; by default "L" if all images are grey, else "RGB".

    Attributes
    ----------
    labels : array (rows,) of str
        The names of the classes.
    sizes : array (rows, 2) of int
        Height and width of the files, in pixels.

    Raises
    ------
    DataError
        If there are no images, only one class, sizes differ and `size` is not given, or an image is broken.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, folder: str | Path, size: tuple[int, int] | int | None = None, mode: str | None = None):
        # Absolute, as the working directory may change.
        self.folder, self.where = Path(folder).absolute(), str(folder)
        if mode not in (None, *_CHANNELS):
            raise DataError(f"{self.where}: mode={mode!r} is not known. Known: {', '.join(_CHANNELS)}")
        size = (size, size) if isinstance(size, int) else size
        if size is not None and (len(size) != 2 or min(size) < 1):
            raise DataError(f"{self.where}: size={size!r} is not (height, width)")
        _pillow(self.where)
        self._files = self._find()
        self.labels: NDArray[np.str_] = np.array([path.parent.name for path in self._files])
        heads = [self._head(path) for path in self._files]
        self.sizes: NDArray[np.int64] = np.array([size for size, _ in heads], dtype=np.int64)
        self._resize = None if size is None else (int(size[0]), int(size[1]))
        self.mode = mode or ("L" if all(head_mode in _GREY for _, head_mode in heads) else "RGB")
        differing = np.flatnonzero((self.sizes != self.sizes[0]).any(1))
        if len(differing) and size is None:
            (h, w), (h0, w0) = self.sizes[differing[0]], self.sizes[0]
            raise DataError(
                f"{self._files[differing[0]]}: is {h} x {w} (height x width), but {self._files[0]} is {h0} x {w0}: "
                f"set size=(height, width), to which all are resized"
            )
        height, width = self._resize or self.sizes[0].tolist()
        self.shape = (len(self._files), _CHANNELS[self.mode], height, width)

    def _find(self) -> list[Path]:
        try:
            if not self.folder.is_dir():
                raise DataError(f"{self.where}: there is no such folder")
            # Sorted: in which order a folder is listed depends on the file system, and row numbers would, too.
            classes = [path for path in sorted(self.folder.iterdir()) if path.is_dir() and path.name[0] != "."]
            inside = {folder: [path for path in sorted(folder.iterdir()) if path.is_file()] for folder in classes}
        except OSError as error:
            raise DataError(f"{self.where}: cannot be read: {error}") from None
        images = {folder: [path for path in files if _is_image(path)] for folder, files in inside.items()}
        known = " ".join(_SUFFIXES)
        if not any(images.values()):
            loose = sum(map(_is_image, self.folder.iterdir()))
            others = sum(map(len, inside.values()))
            more = f" {loose} images are not in a folder of a class." * bool(loose)
            raise DataError(
                f"{self.where}: holds no images in folders, as class/image.png: {len(classes)} folders with {others} "
                f"files, none of them {known} (hidden files are skipped).{more}"
            )
        for folder, found in images.items():
            if not found:
                raise DataError(f"{folder}: holds no images ({known}); each folder is a class and must hold images")
        if len(classes) == 1:
            raise DataError(f"{self.where}: holds one class only, {classes[0].name!r}; a folder per class is expected")
        return [path for found in images.values() for path in found]

    def _head(self, path: Path) -> tuple[tuple[int, int], str]:
        """Return the size, (height, width), and the mode from the header."""
        try:
            with _pillow(self.where).open(path) as image:
                width, height = image.size
                mode = str(image.mode)
        except Exception as error:
            raise DataError(f"{path}: is not an image, or is broken: {error}") from None
        if mode.startswith(("I", "F")):
            raise DataError(f"{path}: has pixels of more than 8 bits (mode {mode}), which uint8 cannot hold")
        return (height, width), mode

    def _image(self, row: int) -> Array:
        path, (_, channels, height, width) = self._files[row], self.shape
        pillow = _pillow(self.where)
        try:
            with pillow.open(path) as file:
                # Pillow warns if a palette with transparency is not converted to RGBA first.
                image = (file.convert("RGBA") if file.mode == "P" else file).convert(self.mode)
            if self._resize and image.size != (width, height):
                image = image.resize((width, height), pillow.Resampling.BILINEAR)
            pixels = np.asarray(image)
        except Exception as error:
            # A broken image may raise nearly anything.
            raise DataError(f"{path}: cannot be decoded: {error}") from None
        if pixels.shape[:2] != (height, width):
            raise DataError(
                f"{path}: is now {pixels.shape[:2]} (height, width), was {(height, width)}: did the file change?"
            )
        return pixels.reshape(height, width, channels).transpose(2, 0, 1)

    def read(self, rows: RowIndex) -> Array:
        """Return images (n, channels, height, width) of uint8; see `Reader.read`."""
        numbers = range(len(self))[rows] if isinstance(rows, slice) else rows.tolist()
        out = np.empty((len(numbers), *self.shape[1:]), self.dtype)
        for place, row in enumerate(numbers):
            out[place] = self._image(row)
        return out

    def channels(self) -> dict[str, Reader]:
        """Return channels for `fit`: "features", the images, and "size", (rows, 2), the sizes of the files."""
        return {"features": self, "size": ArrayReader(self.sizes)}

    def stamp(self) -> tuple[int, int]:
        """Return the number of images, and the latest modification time (ns)."""
        files = self._find()
        return len(files), max(path.stat().st_mtime_ns for path in files)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES and path.name[0] != "."


def _pillow(where: str) -> Any:
    try:
        import PIL.Image
    except ImportError:
        raise DataError(f"{where}: needs Pillow: pip install 'arignote[images]'") from None
    return PIL.Image
