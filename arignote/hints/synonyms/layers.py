"""Words for layers and their parameters."""

from arignote.hints.advice import Replacement
from arignote.hints.synonyms.table import part, rows

__all__ = ["ROWS"]

_DENSE = part("FCLayer", n_units=64)
_CONV = part("ConvLayer", n_output_maps=32, filter_shape=3)
_POOL = part("MaxPool2DLayer", pool_shape=2)
_CONV_1D = part("Conv1DLayer", n_output_maps=32, filter_length=5)
_POOL_1D = part("MaxPool1DLayer", pool_length=2)
_WITHIN = "Leave it out: windows that would reach beyond the edge are left out"
_DROPOUT = part("DropoutLayer", dropout_p=0.5)
_OUTPUT = part("ClassificationOutputLayer")
_NUMBERS = part("RegressionOutputLayer")

ROWS = (
    *rows(
        "layer",
        (
            "units num_units n_neurons neurons nodes n_nodes out_features n_out n_hidden hidden hidden_units",
            Replacement("n_units"),
        ),
        (
            "filters num_filters n_filters kernels n_kernels out_channels channels n_maps units num_units",
            Replacement("n_output_maps"),
        ),
        (
            "units num_units n_units n_out out_features n_outputs num_classes nb_classes nclasses classes",
            Replacement("n_classes"),
        ),
        ("units num_units n_units n_out out_features output_dim n_targets n_classes", Replacement("n_outputs")),
        ("kernel_size filter_size kernel_shape kernel window", Replacement("filter_shape")),
        ("kernel_size filter_size kernel_length kernel window filter_shape", Replacement("filter_length")),
        ("pool_size poolsize kernel_size kernel ds window size", Replacement("pool_shape")),
        ("pool_size poolsize kernel_size kernel window size pool_shape", Replacement("pool_length")),
        ("strides pool_stride step", Replacement("stride")),
        (
            "pool_shape pool_size poolsize",
            _POOL,
            "A convolution does not pool: put {} after this layer",
            "filter_shape",
        ),
        (
            "pool_length pool_size poolsize",
            _POOL_1D,
            "A convolution does not pool: put {} after this layer",
            "filter_length",
        ),
        ("padding border_mode", Replacement("pad", 1), "Write {}, at most half of pool_shape", "pool_shape"),
        ("padding border_mode", Replacement("pad", 1), "Write {}, at most half of pool_length", "pool_length"),
        (
            "ceil_mode ignore_border",
            [],
            "Leave it out: windows that would reach beyond the edge are left out",
            "pool_shape",
        ),
        (
            "ceil_mode ignore_border",
            [],
            "Leave it out: windows that would reach beyond the edge are left out",
            "pool_length",
        ),
        (
            "mode",
            Replacement("count_include_pad", False),
            "Write {} for average_exc_pad; by default the zeros of pad count (average_inc_pad)",
        ),
        ("size factor scale upscale_factor", Replacement("scale_factor")),
        ("interpolation", Replacement("mode", "repeat")),
        ("function mode", Replacement("pool_function")),
        ("k num_pieces n_pieces group_size", Replacement("pool_size")),
        ("pool_size num_pieces n_pieces maxout_k group_size", Replacement("k")),
        ("padding border_mode pad", Replacement("crop"), "Write {}", "output_padding"),
        ("output_size output_shape", Replacement("output_padding", 0), "Write {}, or what is to be appended"),
        ("padding border_mode", Replacement("pad", "same")),
        ("flip_filters", [], "Leave it out: filters are not flipped, as with flip_filters=False", "filter_shape"),
        ("flip_filters", [], "Leave it out: filters are not flipped, as with flip_filters=False", "filter_length"),
        ("untied_biases tie_biases", Replacement("untie_biases", True)),
        ("dilation_rate", Replacement("dilation", 2)),
        ("groups num_groups", Replacement("n_groups")),
        ("data_format", Replacement("axes", "NLC"), "Write {} if an example is a series (steps, channels)"),
        ("p prob rate drop drop_prob dropout dropout_rate", Replacement("dropout_p")),
        ("shared_axes noise_shape", Replacement("per", "channel"), "Write {}, or unit, or location"),
        ("dropout dropout_p dropout_rate drop_rate", _DROPOUT, "Put {} after this layer"),
        (
            "batch_norm batchnorm batch_normalize batch_normalization normalize",
            part("BatchNormLayer"),
            "Put {} after this layer",
        ),
        ("act nonlinearity activation_fn activation_function act_fn transfer", Replacement("activation")),
        ("activation nonlinearity", [], "Leave it out: the output layer computes the probabilities", "n_classes"),
        ("activation nonlinearity", [], "Leave it out: the output is linear", "n_outputs"),
        ("order levels categories", Replacement("ranks", ["low", "middle", "high"])),
        ("bias with_bias use_biases", Replacement("use_bias")),
        ("weight_decay l2_reg kernel_regularizer regularizer reg alpha", Replacement("l2", 0.001)),
        ("l1_reg", Replacement("l1", 0.001)),
        ("max_norm kernel_constraint constraint", Replacement("maxnorm", 3.0)),
        ("non_neg nonneg positive_weights", Replacement("nonnegative", True)),
        ("kernel_initializer weight_init weights init initializer w_init", Replacement("W", "he_normal")),
        ("bias_initializer b_init", Replacement("b", 0.0)),
        ("lr_mult lr_multiplier lr_scale learning_rate_factor learning_rate_multiplier", Replacement("lr_factor", 0.1)),
        ("trainable freeze frozen requires_grad", Replacement("fix_params", True)),
        (
            "pretrained weights_from load_weights init_from from_layer load_from",
            Replacement("load_params", True),
            "Write {}, with stored_network beside the list of layers",
        ),
        ("eps", Replacement("epsilon")),
        ("num_features num_channels", [], "Leave it out: the layer takes the shape of what comes in", "epsilon"),
        ("normalized_shape", Replacement("n_axes", 1), "Write {}, the number of its axes, or leave it out for all"),
        (
            "affine elementwise_affine",
            Replacement("fix_params", True),
            "Write {} for a gamma of 1 and a beta of 0",
            "epsilon",
        ),
        ("size depth_radius", Replacement("n", 5), "Write {}, the number of maps, the one in the middle included", "k"),
        ("bias", Replacement("k"), "Write {}", "beta"),
        (
            "momentum",
            Replacement("alpha", 0.1),
            "Write {}, the weight of a batch: the momentum of PyTorch, 1 - momentum of Keras",
            "epsilon",
        ),
        ("std stddev noise scale", Replacement("sigma")),
        ("k num_pieces n_pieces pool_size", Replacement("maxout_k")),
        ("shape input_shape input_size batch_input_shape", Replacement("n_in")),
        (
            "in_features in_channels input_shape input_dim input_size n_in",
            [],
            "Leave it out: the layer takes the shape of what comes in",
        ),
        ("id label", Replacement("name")),
    ),
    *rows(
        "layer name",
        (
            "Dense Linear FullyConnected FullConnection Hidden InnerProduct MLP add_fully_connected add_hidden",
            _DENSE,
        ),
        ("Conv2d Conv2D Convolution2D Convolution add_convolution", _CONV),
        ("ConvPool add_conv_pool", [_CONV, _POOL], "Write {}, then {}"),
        ("MaxPooling2D MaxPooling MaxPool Pool2D Pool Pooling", _POOL),
        ("Convolution3D", part("Conv3DLayer", n_output_maps=32, filter_shape=3)),
        (
            "ConvTranspose2d Conv2DTranspose Deconv2D Deconv Deconvolution2D Deconvolution TransposedConv2D",
            part("TransposedConvLayer", n_output_maps=32, filter_shape=3),
        ),
        (
            "ConvTranspose1d Conv1DTranspose Deconv1D",
            part("TransposedConv1DLayer", n_output_maps=32, filter_length=5),
        ),
        (
            "ConvTranspose3d Conv3DTranspose Deconv3D",
            part("TransposedConv3DLayer", n_output_maps=32, filter_shape=3),
        ),
        (
            "LocallyConnected2D Conv2DLocal",
            part("LocallyConnectedLayer", n_output_maps=32, filter_shape=3),
        ),
        ("Conv1DLocal", part("LocallyConnected1DLayer", n_output_maps=32, filter_length=5)),
        ("MaxPooling3D Pool3D", part("MaxPool3DLayer", pool_shape=2)),
        ("AveragePooling3D AvgPool3d", part("AveragePool3DLayer", pool_shape=2)),
        ("AveragePooling2D AveragePooling AvgPool2d AvgPool", part("AveragePool2DLayer", pool_shape=2)),
        ("Convolution1D TemporalConvolution", _CONV_1D),
        ("MaxPooling1D Pool1D", _POOL_1D),
        ("AveragePooling1D AvgPool1d", part("AveragePool1DLayer", pool_length=2)),
        (
            "GlobalAveragePooling2D GlobalAvgPool2D GlobalAvgPool AdaptiveAvgPool2d GlobalPool GlobalAveragePooling3D",
            part("GlobalAveragePoolLayer"),
        ),
        (
            "GlobalMaxPooling2D GlobalMaxPool2D GlobalMaxPooling AdaptiveMaxPool2d GlobalMaxPooling3D",
            part("GlobalMaxPoolLayer"),
        ),
        (
            "GlobalMaxPooling1D GlobalMaxPool1D AdaptiveMaxPool1d",
            part("GlobalMaxPoolLayer", axes="NLC"),
            "Write {} if an example is (steps, channels), or axes NCL",
        ),
        (
            "UpSampling UpSampling1D UpSampling2D UpSampling3D Upscale1D Upscale2D Upscale3D UpsamplingNearest2d",
            part("UpscaleLayer", scale_factor=2),
        ),
        (
            "GlobalAveragePooling1D GlobalAvgPool1D AdaptiveAvgPool1d",
            part("GlobalAveragePoolLayer", axes="NLC"),
            "Write {} if an example is (steps, channels), or axes NCL",
        ),
        ("AlphaDropout add_dropout", _DROPOUT),
        (
            "Dropout1d Dropout2d Dropout3d SpatialDropout2D SpatialDropout3D dropout_channels",
            part("DropoutLayer", dropout_p=0.5, per="channel"),
        ),
        ("SpatialDropout1D", part("DropoutLayer", dropout_p=0.5, per="channel", axes="NLC")),
        ("dropout_locations", part("DropoutLayer", dropout_p=0.5, per="location")),
        (
            "BatchNorm1d BatchNorm2d BatchNormalization BatchNormalisation add_batch_normalization",
            part("BatchNormLayer"),
        ),
        ("LayerNormalization layer_norm add_layer_norm", part("LayerNormLayer")),
        ("InstanceNorm1d InstanceNorm2d InstanceNormalization", part("InstanceNormLayer")),
        ("GroupNormalization", part("GroupNormLayer", n_groups=8)),
        ("LRN LocalResponseNormalization LocalResponseNormalization2D", part("LocalResponseNormLayer")),
        ("MaxoutDense Maxout", part("FCMaxoutLayer", n_units=64)),
        ("NIN NetworkInNetwork", part("MLPConvLayer", n_output_maps=32, filter_shape=3, n_units=[32])),
        (
            "Flatten Flattening",
            [_DENSE, _OUTPUT],
            "Leave it out: {} and {} flatten their input by themselves",
        ),
        ("Reshape", part("InputImageLayer", n_pixels=28), "Flat rows become images where the list begins with {}"),
        (
            "ReLU PReLU LeakyReLU Tanh Sigmoid ELU SELU Softplus Nonlinearity add_nonlinearity",
            [part("FCLayer", n_units=64, activation="relu"), part("ActivationLayer", activation="relu")],
            "An activation is a parameter of the layer before it, {}, or a layer: {}",
        ),
        (
            "Softmax LogSoftmax Output LogisticRegression SoftmaxOutput CrossEntropy add_logistic",
            _OUTPUT,
            "End the list with {}, whose output is a softmax",
        ),
        (
            "Regression LinearRegression LinearOutput Regressor add_regression",
            _NUMBERS,
            "End the list with {}, whose outputs are numbers",
        ),
        (
            "Multilabel SigmoidOutput MultilabelClassification BinaryRelevance",
            part("MultilabelOutputLayer"),
            "End the list with {}, whose output is a sigmoid for each label",
        ),
        (
            "Ordinal OrdinalRegression CumulativeLink Coral CornLayer LogisticAT LogisticIT",
            part("OrdinalOutputLayer"),
            "End the list with {}",
        ),
        (
            "Autoencoder Decoder Reconstruction",
            part("RegressionOutputLayer", target="same"),
            "End the list with {}, whose target is the input",
        ),
        ("Add ElementwiseSum ElemwiseSum", part("SumLayer", inputs=["fc1", "fc2"])),
        ("Concatenate", part("ConcatLayer", inputs=["fc1", "fc2"])),
        (
            "GELU SiLU Swish ScaledTanH",
            [part("FCLayer", n_units=64, activation="gelu"), part("ActivationLayer", activation="gelu")],
            "An activation is a parameter of the layer before it, {}, or a layer: {}",
        ),
        ("ParametricRectifier", part("ActivationLayer", activation="prelu")),
        ("RandomizedRectifier RandomisedRectifier", part("RReLULayer")),
        ("Lambda", part("TorchLayer", module="torch.nn:Hardswish"), "A module of PyTorch is a layer: {}"),
        ("Image InputImages", part("InputImageLayer", n_pixels=28)),
    ),
    *rows(
        "activation name",
        ("rectify rectifier relu6", Replacement("", "relu")),
        ("lrelu leaky_rectify LeakyReLU", Replacement("", "leaky_relu")),
        ("identity none id", Replacement("", "linear")),
        ("logistic", Replacement("", "sigmoid")),
        ("very_leaky_rectify very_leaky_relu VeryLeakyRectify", part("leaky_relu", slope=0.3333333333333333)),
        ("ScaledTanH tanh_scaled lecun_tanh", Replacement("", "scaled_tanh")),
        ("rrelu", part("RReLULayer"), "It is a layer: put {} behind a layer with the activation linear"),
        (
            "log_softmax",
            _OUTPUT,
            "End the list with {}, whose output is a softmax",
        ),
    ),
    *rows(
        "initializer name",
        ("xavier xavier_uniform glorotuniform", Replacement("", "glorot_uniform")),
        ("xavier_normal", Replacement("", "glorot_normal")),
        ("kaiming kaiming_normal", Replacement("", "he_normal")),
        ("kaiming_uniform", Replacement("", "he_uniform")),
        ("zeros zero", part("constant", value=0.0)),
        ("ones one", part("constant", value=1.0)),
        ("random_normal randn gaussian", part("normal", std=0.01)),
        ("random_uniform rand", part("uniform", range=0.01)),
    ),
)
