"""Write digits.h5, digits_ink.csv and digits_rows.csv of arignote/sample_data: the digits of scikit-learn, for configs.

The ink of an image is the sum of its pixels, each a whole number from 0 to 16; digits_rows.csv has that of each row.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from arignote import sample_data


def write(folder: Path) -> None:
    """Write the files into a folder."""
    images, labels = sample_data.digits()
    with h5py.File(folder / "digits.h5", "w") as file:
        for name, array in (("images", images), ("labels", labels)):
            file.create_dataset(name, data=array, compression="gzip", track_times=False)
    ink = (16 * images).sum(axis=1)
    np.savetxt(folder / "digits_ink.csv", ink, fmt="%d", header="ink", comments="")
    rows = (16 * images).reshape(-1, 8, 8).sum(axis=2)
    names = ",".join(f"row{number}" for number in range(8))
    np.savetxt(folder / "digits_rows.csv", rows, fmt="%d", delimiter=",", header=names, comments="")


if __name__ == "__main__":
    write(Path(sample_data.__file__).parent)
