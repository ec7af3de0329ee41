"""Write digits.h5 and digits_ink.csv beside this script: the digits of scikit-learn, as the configs read them.

The ink of an image is the sum of its pixels, each a whole number from 0 to 16.
"""

from pathlib import Path

import h5py
import numpy as np

from arignote.sample_data import digits

images, labels = digits()
with h5py.File(Path(__file__).with_name("digits.h5"), "w") as file:
    for name, array in (("images", images), ("labels", labels)):
        file.create_dataset(name, data=array, compression="gzip", track_times=False)
ink = (16 * images).sum(axis=1)
np.savetxt(Path(__file__).with_name("digits_ink.csv"), ink, fmt="%d", header="ink", comments="")
