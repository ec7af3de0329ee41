"""Images in folders, one folder per class, decoded as they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.readers.base import Array, ArrayReader, Reader, Rows
from arignote.errors import DataError

__all__ = ["ImageFolderReader"]

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
_GREY = ("1", "L", "LA")
_CHANNELS = {"L": 1, "RGB": 3}


class ImageFolderReader(Reader):
    """Images as (rows, channels, height, width) of uint8, sorted by class, then by file name.

    A class is a folder: "folder/cat/001.png". Hidden files and files that are no images by their suffix are passed
    over. Pixels come as they are stored: they are not turned by EXIF, alpha is left out, of an animation the first
    image is taken.

    Parameters
    ----------
    folder : str or Path
        With a folder for each class.
    size : (int, int) or int, optional
        Height and width to which images are resized (bilinear, antialiased). Needed where they are not all of one size.
    mode : {"L", "RGB"}, optional
        Grey or coloured; coloured if left out, unless all images are grey.

    Attributes
    ----------
    labels : array (rows,) of str
        The names of the classes.
    sizes : array (rows, 2) of int
        Height and width of the files.

    Raises
    ------
    DataError
        Where there are no images, one class only, images of several sizes without `size`, or a broken image.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, folder: str | Path, size: tuple[int, int] | int | None = None, mode: str | None = None):
        # The working directory may become another.
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
        self.mode = mode or ("L" if all(found in _GREY for _, found in heads) else "RGB")
        odd = np.flatnonzero((self.sizes != self.sizes[0]).any(1))
        if len(odd) and size is None:
            (h, w), (h0, w0) = self.sizes[odd[0]], self.sizes[0]
            raise DataError(
                f"{self._files[odd[0]]}: is {h} x {w} (height x width), but {self._files[0]} is {h0} x {w0}: "
                f"say size=(height, width), to which all are resized"
            )
        height, width = self._resize or self.sizes[0].tolist()
        self.shape = (len(self._files), _CHANNELS[self.mode], height, width)

    def _find(self) -> list[Path]:
        try:
            if not self.folder.is_dir():
                raise DataError(f"{self.where}: there is no such folder")
            classes = [path for path in sorted(self.folder.iterdir()) if path.is_dir() and path.name[0] != "."]
            inside = {folder: [path for path in sorted(folder.iterdir()) if path.is_file()] for folder in classes}
        except OSError as fault:
            raise DataError(f"{self.where}: cannot be read: {fault}") from None
        images = {folder: [path for path in files if _is_image(path)] for folder, files in inside.items()}
        known = " ".join(_SUFFIXES)
        if not any(images.values()):
            loose = sum(map(_is_image, self.folder.iterdir()))
            others = sum(map(len, inside.values()))
            more = f" {loose} images lie beside the folders." * bool(loose)
            raise DataError(
                f"{self.where}: holds no images in folders, as class/image.png: {len(classes)} folders with {others} "
                f"files, none of them {known} (hidden ones are passed over).{more}"
            )
        for folder, found in images.items():
            if not found:
                raise DataError(f"{folder}: holds no images ({known}), but stands where a class is expected")
        if len(classes) == 1:
            raise DataError(f"{self.where}: holds one class only, {classes[0].name!r}; a folder per class is expected")
        return [path for found in images.values() for path in found]

    def _head(self, path: Path) -> tuple[tuple[int, int], str]:
        """Return size and mode as the header says them."""
        try:
            with _pillow(self.where).open(path) as image:
                width, height = image.size
                mode = str(image.mode)
        except Exception as fault:
            raise DataError(f"{path}: is no image, or a broken one: {fault}") from None
        if mode.startswith(("I", "F")):
            raise DataError(f"{path}: has pixels of more than 8 bits (mode {mode}), which uint8 cannot hold")
        return (height, width), mode

    def _image(self, row: int) -> Array:
        path, (_, channels, height, width) = self._files[row], self.shape
        pillow = _pillow(self.where)
        try:
            with pillow.open(path) as file:
                # By way of RGBA, as Pillow warns of palettes with transparency.
                image = (file.convert("RGBA") if file.mode == "P" else file).convert(self.mode)
            if self._resize and image.size != (width, height):
                image = image.resize((width, height), pillow.Resampling.BILINEAR)
            pixels = np.asarray(image)
        except Exception as fault:
            # A broken image may raise nearly anything.
            raise DataError(f"{path}: cannot be decoded: {fault}") from None
        if pixels.shape[:2] != (height, width):
            raise DataError(
                f"{path}: is {pixels.shape[:2]} (height, width), and was {(height, width)}: has it changed?"
            )
        return pixels.reshape(height, width, channels).transpose(2, 0, 1)

    def read(self, rows: Rows) -> Array:
        """Return images (n, channels, height, width): those of a slice of step 1, or of row numbers in any order."""
        numbers = range(len(self))[rows] if isinstance(rows, slice) else rows.tolist()
        out = np.empty((len(numbers), *self.shape[1:]), self.dtype)
        for place, row in enumerate(numbers):
            out[place] = self._image(row)
        return out

    def channels(self) -> dict[str, Reader]:
        """Return the images, and the sizes of their files, which resizing hides."""
        return {"features": self, "size": ArrayReader(self.sizes)}

    def stamp(self) -> tuple[int, int]:
        """Return the number of images and the time of the newest."""
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
