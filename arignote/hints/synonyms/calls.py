"""Words for the arguments of methods of the estimator."""

from arignote.hints.advice import Replacement
from arignote.hints.synonyms.table import fit, rows

__all__ = ["ROWS"]

ROWS = (
    *rows(
        "arguments",
        ("x inputs input data features", Replacement("X")),
        ("labels label target targets y_true", Replacement("y")),
        ("weights weight sample_weights", Replacement("sample_weight")),
        ("group", Replacement("groups")),
        ("metrics metric scoring scorer loss", Replacement("losses", ["accuracy"])),
        ("subset split dataset", Replacement("part", "test")),
        ("layer_name layers name", Replacement("layer", "fc1")),
        ("path file filename filepath stem checkpoint", Replacement("run", "runs/NAME")),
        ("epoch version", Replacement("which", "last")),
        ("custom_objects modules", Replacement("trust")),
        (
            "device map_location",
            fit("device", "cuda"),
            "The network is loaded onto the CPU. To train it elsewhere, pass {} to fit",
            "trust",
        ),
        ("weights_only safe_mode", [], "Leave it out: no code of the file is ever run", "trust"),
    ),
    *rows(
        "inference",
        (
            "batch_size batchsize verbose steps callbacks device n_jobs num_workers n_threads",
            [],
            "Leave it out: it is decided by the network and the settings of fit",
        ),
    ),
)
