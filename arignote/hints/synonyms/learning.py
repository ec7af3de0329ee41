"""Words for losses, updaters, rules, preprocessing and augmentation."""

from arignote.hints.advice import Replacement
from arignote.hints.synonyms.table import fit, part, rows, top

__all__ = ["ROWS"]

_DECAY = {"rule": "stalled", "initial_value": 0.1, "multiply_by": 0.25, "interval": 5}

ROWS = (
    *rows(
        "loss name",
        (
            "crossentropy CrossEntropyLoss NLLLoss log_loss logloss categorical_crossentropy "
            "sparse_categorical_crossentropy softmax",
            Replacement("", "nll"),
        ),
        (
            "binary_crossentropy BCELoss BCEWithLogitsLoss MultiLabelSoftMarginLoss",
            [Replacement("", "nll"), Replacement("", "binary_cross_entropy")],
            "Write {} for two classes, {} for several labels per row",
        ),
        ("multiclass_hinge categorical_hinge hinge_loss MultiMarginLoss", Replacement("", "hinge")),
        ("top_k top_5 top_k_categorical_accuracy", part("top_k_error", k=5)),
        ("brier_score brier_score_loss", Replacement("", "brier")),
        ("hamming hamming_loss", Replacement("", "flag_error")),
        ("MSELoss mean_squared_error squared_error l2_loss", Replacement("", "squared")),
        ("L1Loss l1 absolute_error", Replacement("", "absolute")),
        ("HuberLoss SmoothL1Loss smooth_l1", part("huber", delta=1.0)),
        ("r2_score R2Score", Replacement("", "r2")),
    ),
    *rows(
        "updater",
        (
            "lr learning_rate eta learning_rate_init",
            fit("lr_rule"),
            "The learning rate has a setting of its own: write {}",
        ),
        ("weight_decay l2 decay_rate l2_reg", top("layer_defaults", {"l2": 0.001}), "Write {}, or l2 in a layer"),
        ("eps", Replacement("epsilon")),
        ("alpha decay", Replacement("rho")),
        ("beta_1 b1 betas", Replacement("beta1", 0.9)),
        ("beta_2 b2", Replacement("beta2", 0.999)),
        ("lmbda lambda", Replacement("beta1_decay", 0.99999999)),
        ("schedule_decay psi", Replacement("momentum_decay", 0.004)),
        ("amsgrad", Replacement("", "amsgrad")),
        ("mu", Replacement("momentum")),
        ("momentum nesterov", part("nag", momentum=0.9)),
        (
            "rule schedule scheduler",
            fit("lr_rule", _DECAY),
            "A rule of the learning rate is a setting of its own: write {}",
        ),
    ),
    *rows(
        "updater name",
        ("sgd_momentum momentum_sgd SGDMomentum classical_momentum", part("momentum", momentum=0.9)),
        ("nesterov_momentum nesterov_sgd sgd_nesterov", part("nag", momentum=0.9)),
        ("adam_amsgrad adam_ams", Replacement("", "amsgrad")),
        ("adam_decoupled decoupled_adam", part("adamw", weight_decay=0.01)),
        ("nesterov_adam", Replacement("", "nadam")),
        ("rectified_adam", Replacement("", "radam")),
        ("lbfgs", Replacement("", "adam"), "Updaters take one batch at a time; write {}"),
    ),
    *rows(
        "rule",
        ("value lr learning_rate initial_lr base_lr start initial momentum", Replacement("initial_value")),
        ("factor gamma decay decay_rate multiplier multiply", Replacement("multiply_by")),
        ("patience step_size step_every every n_validations", Replacement("interval")),
        ("milestones steps epochs boundaries", Replacement("schedule", [10, 20])),
        ("min_lr eta_min final end minimum min max maximum end_lr", Replacement("final_value")),
        ("T_max T_0 total_iters total_steps decay_steps first_decay_steps max_epochs", Replacement("n_epochs")),
        ("T_mult t_mul", Replacement("multiply_length_by", 2)),
        ("max_lr max_value peak_value", Replacement("middle_value")),
        ("pct_start", Replacement("rise", 0.3)),
        ("anneal_strategy", Replacement("shape", "cosine")),
        ("decrement decrease subtract", Replacement("decrease_by")),
    ),
    *rows(
        "rule name",
        (
            "ReduceLROnPlateau reduce_on_plateau plateau adaptive",
            part("stalled", initial_value=0.1, multiply_by=0.25, interval=5),
        ),
        ("StepLR step_decay StepDecay", part("step", initial_value=0.1, multiply_by=0.1, n_epochs=10)),
        ("MultiStepLR multistep", part("fixed", initial_value=0.1, multiply_by=0.1, schedule=[10, 20])),
        (
            "PiecewiseConstantDecay piecewise piecewise_constant LearningRateSchedule schedule",
            part("absolute", after_epochs=[[0, 0.1], [10, 0.01]]),
        ),
        ("ExponentialLR ExponentialDecay exp", part("exponential", initial_value=0.1, multiply_by=0.95, n_epochs=1)),
        (
            "InverseTimeDecay inverse_time LearningRateDecay invscaling decay",
            part("inverse", initial_value=0.1, decay=0.1, n_epochs=1),
        ),
        ("PolynomialLR PolynomialDecay polynomial", part("linear", initial_value=0.1, final_value=0.0, n_epochs=50)),
        ("CosineAnnealingLR CosineDecay cosine_annealing", part("cosine", initial_value=0.1, n_epochs=50)),
        (
            "CosineAnnealingWarmRestarts CosineDecayRestarts SGDR",
            part("cosine", initial_value=0.1, n_epochs=10, restarts=True),
        ),
        (
            "OneCycleLR onecycle 1cycle",
            part("one_cycle", initial_value=0.004, middle_value=0.1, final_value=4e-7, n_epochs=50),
        ),
        ("LinearLR linear_warmup warm_up", part("warmup", initial_value=0.01, n_epochs=5, then=0.1)),
        ("none", Replacement("", "const")),
    ),
    *rows(
        "stop_rule",
        ("patience n epochs n_iter_no_change n_validations rounds", Replacement("interval")),
        ("target threshold loss goal", Replacement("value")),
    ),
    *rows(
        "stop_rule name",
        ("patience early_stopping EarlyStopping early_stop no_improvement", part("stalled", interval=10)),
        ("target threshold", part("reached", value=0.1)),
    ),
    *rows(
        "preprocess name",
        ("StandardScaler standardize normalize normalise zscore Normalization", part("Standardise")),
        ("MinMaxScaler min_max", part("MinMax")),
        ("PCA ZCA whitening", part("Whiten")),
        ("OneHotEncoder one_hot_encoder get_dummies dummies OrdinalEncoder StringLookup categorical", part("OneHot")),
        ("SimpleImputer Imputer fillna fill_missing", part("Impute")),
        ("ToTensor rescale Rescaling divide", part("Scale", divide_by=255)),
    ),
    *rows(
        "augmentation name",
        ("RandomHorizontalFlip RandomFlip HorizontalFlip Mirror", part("Flip", p=0.5)),
        ("RandomVerticalFlip VerticalFlip", part("Flip", horizontal=False, vertical=True)),
        ("RandomCrop", part("Crop", size=28)),
        ("RandomRotation Rotation", part("Rotate", max_degrees=10)),
        ("RandomTranslation Translate RandomShift", part("Shift", max_shift=2)),
        ("RandomZoom", part("Zoom", min=0.9, max=1.1)),
        ("RandomErasing Erase", part("Cutout", size=8)),
        ("GaussianNoise", part("Noise", sigma=0.1)),
        ("ColorJitter RandomBrightness", part("Brightness", max_delta=0.1)),
    ),
)
