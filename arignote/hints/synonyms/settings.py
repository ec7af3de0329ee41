"""Words for the sections of a config and the arguments of `fit`."""

from arignote.hints.advice import Replacement
from arignote.hints.synonyms.table import fit, part, rows, top

__all__ = ["ROWS"]

_STALLED = fit("stop_rule", {"rule": "stalled", "interval": "N"})
_DECAY = {"rule": "stalled", "initial_value": 0.1, "multiply_by": 0.25, "interval": 5}
_LAYERS = top("layers", [["FCLayer", {"n_units": 64}], ["ClassificationOutputLayer"]])
_DROPOUT = part("DropoutLayer", dropout_p=0.5)
_HELD_OUT = Replacement("data.valid", 0.1)
_FILES = {"features": "train.h5:/x", "labels": "train.h5:/y"}
_VALID_FILES = Replacement("data.valid", {"features": "valid.h5:/x", "labels": "valid.h5:/y"})
_OWN_VALID = "Write {}, a fraction of the training rows, or name data of its own"

ROWS = (
    *rows(
        "fit",
        ("epochs max_epochs num_epochs nb_epoch nb_epochs max_iter n_iter num_iterations", fit("n_epochs")),
        ("batch batchsize minibatch_size mini_batch_size bs", fit("batch_size")),
        ("learning_rate lr learning_rate_init eta eta0 initial_lr base_lr", fit("lr_rule")),
        ("lr_schedule lr_scheduler scheduler lr_decay learning_rate_schedule power_t", fit("lr_rule", _DECAY)),
        ("momentum mu", [fit("momentum_rule"), fit("sgd_type", "nag")], "Write {} with {}"),
        ("nesterov nesterovs_momentum use_nesterov", fit("sgd_type", "nag")),
        ("optimizer optimiser optim solver updater update update_rule", fit("sgd_type", "adam")),
        ("beta_1 beta_2 beta1 beta2 betas", fit("sgd_type", ["adam", {"beta1": 0.9, "beta2": 0.999}])),
        ("patience n_iter_no_change early_stopping early_stop early_stopping_rounds", _STALLED),
        ("tol min_delta", fit("stop_rule", {"rule": "stalled", "interval": "N", "min_delta": 0.001})),
        (
            "weight_decay l2 l2_reg alpha reg regularization regularizer",
            top("layer_defaults", {"l2": 0.001}),
            "Write {} (or l2 in a layer); the cost grows by l2 * sum(W^2), so that l2 is half of a weight decay",
        ),
        (
            "ema moving_average use_ema model_ema ema_decay ema_momentum",
            fit("average", {"kind": "ema", "decay": 0.999}),
        ),
        ("swa swa_start stochastic_weight_averaging swa_model", fit("average", {"kind": "swa", "start": 20})),
        ("l1 l1_reg", top("layer_defaults", {"l1": 0.001}), "Write {}, or l1 in a layer"),
        ("seed random_seed rng random_state manual_seed torch_seed", top("rng", 42)),
        (
            "loss criterion objective loss_fn loss_function cost",
            fit("train_loss", "nll"),
            "Write {}, or leave it out for the loss that suits the output layer",
        ),
        ("label_smoothing", fit("train_loss", ["nll", {"label_smoothing": 0.1}])),
        ("normalize_y normalise_y standardize_y scale_y", fit("scale_target", True)),
        ("metrics metric eval_metric scoring", fit("valid_loss", ["nll", "error"])),
        (
            "validation_split validation_fraction validation_size val_split val_size valid_split valid_fraction "
            "valid_size",
            _HELD_OUT,
        ),
        ("validation_data val_data valid_data eval_set validation validation_set val dev", _HELD_OUT, _OWN_VALID),
        ("test_split test_fraction test_size", Replacement("data.test", 0.1)),
        (
            "callbacks callback hooks",
            [_STALLED, fit("checkpoint", "runs/NAME"), fit("observers")],
            "There are settings for this: {} stops early, {} keeps checkpoints, functions of your own are {}",
        ),
        (
            "hidden hidden_layers hidden_layer_sizes hidden_units n_hidden units n_units neurons n_neurons network",
            _LAYERS,
            "A network is a list of layers: {}",
        ),
        ("activation nonlinearity", top("layer_defaults", {"activation": "relu"})),
        ("dropout dropout_rate dropout_p", _DROPOUT, "Put {} into the list of layers"),
        ("clipnorm clip_norm grad_clip max_grad_norm gradient_clip_val clip_grad_norm", fit("sgd_max_grad_norm", 5.0)),
        (
            "track_grad_norm log_grad_norm watch monitors",
            fit("monitor", ["grad_norm"]),
            "Write {}, with names of layers for statistics of their outputs",
        ),
        ("clipvalue clip_value max_grad_value clip_grad_value gradient_clip_value", fit("sgd_max_grad_value", 1.0)),
        ("profiler profiling", fit("profile", True)),
        ("accumulate_grad_batches gradient_accumulation_steps accumulation_steps", fit("accumulate", 4)),
        ("n_jobs num_workers workers", fit("n_workers", 1)),
        ("threads num_threads nthread", fit("n_threads", 1)),
        ("gpu use_gpu cuda use_cuda accelerator", fit("device", "cuda")),
        ("amp use_amp mixed_precision half fp16 bf16", fit("precision", "bf16")),
        (
            "save_path save_dir save_to output_dir model_dir checkpoint_dir checkpoint_path out",
            fit("checkpoint", "runs/NAME"),
        ),
        ("restore_best_weights", fit("restore_best", True)),
        (
            "stored_network pretrained pretrained_weights load_weights init_from weights_path",
            top("stored_network", "runs/NAME"),
            "Write {}, and load_params in the layers that begin with its parameters",
        ),
        (
            "normalize normalise standardize standardise scaler scaling preprocessing preprocessor",
            fit("preprocess", [["Standardise"]]),
        ),
        ("augment transform transforms data_augmentation", fit("augmentation", [["Noise", {"sigma": 0.1}]])),
    ),
    *rows(
        "above",
        ("layers", _LAYERS, "A network is a list of layers: {}"),
        ("layer_defaults", top("layer_defaults", {"activation": "relu"})),
        ("name", top("name")),
    ),
    *rows(
        "config",
        ("model network net architecture", _LAYERS),
        (
            "training trainer hyperparameters hparams params settings train",
            [fit("n_epochs", 10), Replacement("data.train", _FILES)],
            "Settings of training belong to the section fit: {}; its data to data: {}",
        ),
        ("dataset datasets", Replacement("data.train", _FILES)),
        ("defaults", top("layer_defaults", {"activation": "relu"})),
        (
            "pretrained pretrained_weights weights load_weights init_from",
            top("stored_network", "runs/NAME"),
            "Write {}, and load_params in the layers that begin with its parameters",
        ),
    ),
    *rows(
        "data",
        (
            "validation val dev validation_split validation_fraction validation_data",
            _VALID_FILES,
            "Write {}, or a fraction",
        ),
        (
            "features x inputs file path source labels y targets target training",
            Replacement("data.train", _FILES),
        ),
    ),
    *rows(
        "source",
        ("x inputs input images data file path source", Replacement("features")),
        ("y target targets label classes", Replacement("labels")),
    ),
)
