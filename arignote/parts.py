"""The one place where every part is registered: importing it imports each module that declares parts."""

from arignote.data import augmentation, geometric_transforms, preprocess, table_steps, targets, transforms
from arignote.data.readers import windows
from arignote.layers import (
    activations,
    alone,
    autoencoder,
    average_pool,
    block,
    conv,
    conv1d,
    conv3d,
    dense,
    embedding,
    example_norm,
    extent,
    feature_pool,
    global_pool,
    initializers,
    inputs,
    local,
    max_pool,
    merge,
    noise,
    norm,
    output,
    recurrent,
    reshape,
    segments,
    torch_layer,
    transposed,
    upscale,
)
from arignote.observers import row_files, tensorboard
from arignote.optim import averages, losses, pretraining, rules, stopping, updaters

__all__: list[str] = []

_MODULES = (
    *(activations, alone, autoencoder, average_pool, block, conv, conv1d, conv3d, dense, embedding, example_norm),
    *(extent, feature_pool, global_pool, initializers, inputs, local, max_pool, merge),
    *(noise, norm, output, recurrent, reshape, segments, torch_layer, transposed, upscale),
    *(row_files, tensorboard),
    *(averages, losses, pretraining, rules, stopping, updaters),
    *(augmentation, geometric_transforms, preprocess, table_steps, targets, transforms, windows),
)
