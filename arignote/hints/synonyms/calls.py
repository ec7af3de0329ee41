"""Words for the arguments of methods of the estimator."""

from arignote.hints.advice import Target
from arignote.hints.synonyms.table import fit, rows

__all__ = ["ROWS"]

ROWS = (
    *rows(
        "arguments",
        ("x inputs input data features", Target("X")),
        ("labels label target targets y_true", Target("y")),
        ("weights weight sample_weights", Target("sample_weight")),
        ("group", Target("groups")),
        ("metrics metric scoring scorer loss", Target("losses", ["accuracy"])),
        ("subset split dataset", Target("part", "test")),
        ("path file filename filepath stem checkpoint", Target("run", "runs/NAME")),
        ("epoch version", Target("which", "last")),
        ("custom_objects modules", Target("trust")),
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
