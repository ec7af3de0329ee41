"""Write digits.h5 beside this script: the digits that scikit-learn carries, as the configs read them."""

from pathlib import Path

import h5py

from arignote.sample_data import digits

images, labels = digits()
with h5py.File(Path(__file__).with_name("digits.h5"), "w") as file:
    for name, array in (("images", images), ("labels", labels)):
        file.create_dataset(name, data=array, compression="gzip", track_times=False)
