"""Datasets of PyTorch and Hugging Face as readers: the same rows, and the row that does not fit is named."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote import DataError
from arignote.data.readers.datasets import DatasetReader, features_and_labels
from arignote.data.readers.user_reader import check_reader

IMAGES = np.random.default_rng(0).integers(0, 256, (9, 1, 3, 2), dtype=np.uint8)
NAMES = ["cat", "dog", "cow"] * 3


class Pairs(torch.utils.data.Dataset):
    """Tuples of a tensor and a label, as torchvision has them."""

    def __len__(self):
        return 9

    def __getitem__(self, row):
        if not 0 <= row < 9:
            raise IndexError(row)
        return torch.from_numpy(IMAGES[row]), row % 3


class Rows:
    """Items from a list."""

    def __init__(self, *items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, row):
        return self.items[row]


class HuggingFace:
    """What a `datasets.Dataset` is to its users: columns, of which a row, a slice or a list of rows is a dict."""

    format = {"type": None}
    _fingerprint = "f00"

    def __init__(self, columns, log=None):
        self.columns, self.log = columns, [] if log is None else log

    @property
    def column_names(self):
        return list(self.columns)

    def select_columns(self, names):
        return HuggingFace({name: self.columns[name] for name in names}, self.log)

    def __len__(self):
        return len(next(iter(self.columns.values())))

    def __getitem__(self, rows):
        self.log.append((tuple(self.columns), rows))
        if isinstance(rows, list):
            return {name: [values[row] for row in rows] for name, values in self.columns.items()}
        return {name: values[rows] for name, values in self.columns.items()}


def test_a_torch_dataset_is_read_as_it_gives_its_items():
    features, labels = features_and_labels(Pairs())
    assert features.shape == (9, 1, 3, 2) and features.dtype == np.uint8 and features.chunk_rows is None
    assert np.array_equal(features.read(np.array([8, 0, 3])), IMAGES[[8, 0, 3]])
    assert np.array_equal(features.read(slice(0, None)), IMAGES)
    assert labels.shape == (9,) and labels.read(slice(1, 5)).tolist() == [1, 2, 0, 1]
    check_reader(features)
    check_reader(labels)


def test_a_tensor_dataset_with_gradients_is_read_too():
    values = torch.arange(6.0).reshape(3, 2).requires_grad_()
    features, labels = features_and_labels(torch.utils.data.TensorDataset(values))
    assert features.read(slice(1, 3)).tolist() == [[2, 3], [4, 5]] and features.dtype == np.float32
    assert labels is None


def test_hugging_face_gives_rows_at_once_and_labels_without_the_images():
    dataset = HuggingFace({"image": IMAGES.tolist(), "label": NAMES})
    features, labels = features_and_labels(dataset)
    assert labels.tolist() == NAMES and labels.dtype == object
    assert (("label",), slice(0, 9)) in dataset.log
    dataset.log.clear()
    assert np.array_equal(features.read(np.array([8, 0])), IMAGES[[8, 0]])
    assert dataset.log == [(("image",), [8, 0])]
    assert features.stamp() == "f00"
    check_reader(features)


def test_a_dataset_that_is_transformed_keeps_all_its_columns():
    class Transformed(HuggingFace):
        format = {"type": "custom"}

        def __getitem__(self, rows):
            found = super().__getitem__(rows)
            return {"x": np.asarray(found["x"]) * np.asarray(found["by"]), "y": found["y"]}

    features, labels = features_and_labels(Transformed({"x": [1, 2, 3], "by": [2, 2, 2], "y": [0, 1, 0]}))
    assert features.read(slice(0, 3)).tolist() == [2, 4, 6]
    assert labels.read(slice(0, 3)).tolist() == [0, 1, 0]


def test_dicts_are_read_by_key():
    dataset = Rows(
        *({"pixels": image, "size": [3, 2], "target": name} for image, name in zip(IMAGES, NAMES, strict=True))
    )
    with pytest.raises(DataError, match=r"features are ambiguous.*There are: pixels, size, target"):
        features_and_labels(dataset)
    features, labels = features_and_labels(dataset, features="pixels")
    assert np.array_equal(features.read(slice(0, 9)), IMAGES)
    assert labels.read(slice(0, 2)).tolist() == ["cat", "dog"]
    assert DatasetReader(dataset, "size").read(np.array([4])).tolist() == [[3, 2]]
    check_reader(labels)


def test_items_without_labels_are_features_alone():
    for dataset in (IMAGES, Rows(*IMAGES), Rows(*({"image": image} for image in IMAGES))):
        features, labels = features_and_labels(dataset)
        assert labels is None and np.array_equal(features.read(slice(0, 9)), IMAGES)


def test_images_of_pillow_come_as_their_pixels():
    image = pytest.importorskip("PIL.Image", reason="needs Pillow")
    reader = DatasetReader(Rows(*((image.fromarray(pixels[0]), 0) for pixels in IMAGES)))
    assert np.array_equal(reader.read(slice(0, 9)), IMAGES[:, 0])


@pytest.mark.parametrize(
    "items, message",
    [
        ([[1, 2], [3, 4], [5]], r"row 2 has shape \(1,\); row 0 has \(2,\)"),
        ([1, 0.5], "row 1 holds float64; row 0 holds int64"),
        (["a", "b", 3], "row 2 holds int64; row 0 holds object"),
        ([1, "b"], "row 1 holds object; row 0 holds int64"),
        ([1, None], "row 1 holds NoneType 'None', not numbers"),
        ([["a", "b"]], "row 0 holds <U1, not numbers"),
        ([[[1], [2, 3]]], "row 0 holds list .*not numbers"),
        ([torch.zeros(2, dtype=torch.bfloat16)], "row 0 holds Tensor .*not numbers"),
    ],
)
def test_an_item_that_does_not_fit_is_named(items, message):
    for dataset in (Rows(*((item, 0) for item in items)), HuggingFace({0: items})):
        with pytest.raises(DataError, match=message):
            DatasetReader(dataset).read(slice(0, len(items)))


class Stream(torch.utils.data.IterableDataset):
    def __iter__(self):
        return iter([1, 2])


@pytest.mark.parametrize(
    "dataset, item, message",
    [
        (Stream(), 0, "Stream: has no length"),
        (Rows(), 0, "Rows: has no rows"),
        ({1, 2}, 0, "set: has no items by number"),
        (Pairs(), 2, r"Pairs\[2\]: no part 2: items have 2 parts"),
        (Pairs(), "image", "no part 'image': items have 2 parts"),
        (Rows(1, 2), 1, "no part 1: items are int, with no parts"),
        (Rows({"image": 1, "label": 0}), "imgae", "no key 'imgae'. Did you mean 'image'.*There are: image, label"),
        (HuggingFace({"image": [1], "label": [0]}), 0, "no key 0. .*There are: image, label"),
    ],
)
def test_a_dataset_that_cannot_be_read_is_reported(dataset, item, message):
    with pytest.raises(DataError, match=message):
        DatasetReader(dataset, item)


def test_items_without_clear_features_and_label_are_an_error_that_asks_for_them():
    with pytest.raises(DataError, match="items have 3 parts, not features and label"):
        features_and_labels(Rows((1, 2, 3)))
    with pytest.raises(DataError, match="items are not dicts: 'image' cannot be selected"):
        features_and_labels(Pairs(), features="image")
