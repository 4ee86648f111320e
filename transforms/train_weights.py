"""Train the project's own MobileNetV2 from nothing: no weights of anyone go in.

    photos ─▶ two random crops each ─▶ network ─▶ 1280 numbers ─▶ name of the variety   (cross-entropy)
                                                             └─▶ many shared directions (spectral loss)
    trained network ─▶ batch norm measured at 224 px ─▶ last convolution whitened ─▶ .keras + model card (.json)

    python -m transforms.train_weights --photos DIR --out FILE.keras [--compare OTHER.keras]

DIR holds one folder of photos a variety; `evaluate_weights.split` keeps whole varieties out of the training.
Crops are cut at the scale of inference (a photo is 224 px wide), so a small crop shows the textures that a whole photo
will show, at a tenth of the cost. The network as each phase left it is kept beside FILE.
Needs TensorFlow and some 6 GiB of memory, no Spark; a quarter of an hour on two cores.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from transforms.evaluate_weights import Photos, evaluate, features, load, protocol, split
from transforms.keras_export import load_keras
from transforms.weights import SIDE


class Phase(NamedTuple):
    """steps of PAIRS photos, each seen twice as a crop of side px; a cosine cycle of the learning rate from rate."""

    side: int
    steps: int
    rate: float


PHASES = (Phase(64, 600, 2e-3),)
PAIRS = 64
SCALE = (0.75, 1.75)  # pixels of the photo a pixel of a crop, drawn evenly in its logarithm
TURN = np.pi / 4  # a crop is turned by up to this angle, either way
NAMING = 0.3  # weight of the names: names alone teach to forget what tells unknown varieties apart
LIGHT, TINT = 0.05, 0.02  # how much brighter or darker all colours, and each of them, are made
WHITENING_FLOOR = 1e-4  # chosen on the validation varieties: a share of the largest variance, see whiten()
SEED = 0


def new_network(side: int | None) -> keras.Model:
    """With random weights, for photos of side px; None takes every size, with the same variables."""
    return keras.applications.MobileNetV2(include_top=False, pooling="avg", weights=None, input_shape=(side, side, 3))


def crops(photos: tf.Tensor, side: int) -> tf.Tensor:
    """(n, side, side, 3) in -1..1: each photo shifted, scaled, turned, mirrored and lit by chance."""
    n = tf.shape(photos)[0]

    def draw(low: float, high: float) -> tf.Tensor:
        return tf.random.uniform([n], low, high)

    scale, angle, mirror = tf.exp(draw(*np.log(SCALE))), draw(-TURN, TURN), tf.sign(draw(-1, 1))
    cos, sin = tf.cos(angle) * scale, tf.sin(angle) * scale
    x, y = draw(SIDE / 4, SIDE * 3 / 4), draw(SIDE / 4, SIDE * 3 / 4)  # of the crop's centre: on the fruit, mostly
    half, zero = (side - 1) / 2, tf.zeros([n])
    row = [cos * mirror, -sin, x - half * (cos * mirror - sin)]
    column = [sin * mirror, cos, y - half * (sin * mirror + cos)]
    to_photo = tf.stack([*row, *column, zero, zero], axis=1)
    kind = {"interpolation": "BILINEAR", "fill_mode": "NEAREST", "fill_value": 0.0}
    pixels = tf.raw_ops.ImageProjectiveTransformV3(images=photos, transforms=to_photo, output_shape=[side] * 2, **kind)
    # Little: it is by their exact colour that the varieties of one fruit are told apart.
    light = draw(1 - LIGHT, 1 + LIGHT)[:, None, None, None] * tf.random.uniform([n, 1, 1, 3], 1 - TINT, 1 + TINT)
    return tf.clip_by_value(tf.cast(pixels, tf.float32) * light, 0, 255) / 127.5 - 1


def spectral_loss(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """-log of the number of directions in which two views' features vary together: |C|² / (tr C)² for their cross-
    covariance C, here from (n, n) Gram matrices. It stops the collapse onto a few directions that labels alone cause,
    and noise cannot please it, since a direction counts only if both views agree."""
    a, b = a - tf.reduce_mean(a, axis=0), b - tf.reduce_mean(b, axis=0)
    squared = tf.reduce_sum(tf.matmul(a, a, transpose_b=True) * tf.matmul(b, b, transpose_b=True))
    return tf.math.log(squared + 1e-12) - 2 * tf.math.log(tf.maximum(tf.reduce_sum(a * b), 1e-6))


def train(network: keras.Model, photos: Photos, phase: Phase, seed: int) -> None:
    """One phase, in place. The head that names the varieties is the phase's own and is thrown away."""
    pixels, labels = tf.constant(photos.pixels), tf.constant(photos.labels)
    head = keras.layers.Dense(len(photos.varieties))
    head.build((None, network.output_shape[-1]))
    warm_up = min(200, phase.steps // 10)
    rate = keras.optimizers.schedules.CosineDecay(
        phase.rate / 20, phase.steps, alpha=0.01, warmup_target=phase.rate, warmup_steps=warm_up
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=0.05, global_clipnorm=5.0)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    variables = network.trainable_variables + head.trainable_variables
    optimizer.build(variables)
    name_loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)

    def step(chosen: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        mine = tf.gather(pixels, chosen)
        names = tf.one_hot(tf.tile(tf.gather(labels, chosen), [2]), len(photos.varieties))
        views = tf.concat([crops(mine, phase.side), crops(mine, phase.side)], axis=0)
        with tf.GradientTape() as tape:
            x = network(views, training=True)
            naming, shared = name_loss(names, head(tf.nn.dropout(x, 0.2))), spectral_loss(*tf.split(x, 2))
            loss = NAMING * naming + shared
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return naming, tf.exp(-shared)

    step = tf.function(step)
    random, started, waiting = np.random.default_rng(seed), time.monotonic(), np.empty(0, np.int64)
    for i in range(1, phase.steps + 1):
        if len(waiting) < PAIRS:
            waiting = np.concatenate([waiting, random.permutation(len(photos.labels))])
        chosen, waiting = waiting[:PAIRS], waiting[PAIRS:]
        naming, shared = step(tf.constant(chosen))
        if i % 50 == 0:
            clock = f"{time.monotonic() - started:.0f} s"
            print(f"{phase} {i}: {clock}, cross-entropy {naming:.3f}, shared directions {shared:.1f}", flush=True)


def measure_batch_norm(network: keras.Model, pixels: Any, size: int = 50) -> None:
    """Replace the running means and variances, which crops left behind, by those of whole, clean photos."""
    layers = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    usual = layers[0].momentum
    for i in range(len(pixels) // size):
        for layer in layers:
            layer.momentum = i / (i + 1)  # a plain mean over the batches
        network(pixels[i * size : (i + 1) * size].astype(np.float32) / 127.5 - 1, training=True)
    for layer in layers:
        layer.momentum = usual


def whiten(network: keras.Model, pixels: Any) -> None:
    """Replace the last convolution (320 → 1280) by a whitening of its inputs and a fixed random rotation.

    What tells an unknown variety from its neighbours often varies little over the known ones; whitened, it counts as
    much as the rest. Directions below WHITENING_FLOOR stay small: they are noise. Batch norm becomes an identity
    around the mean, so ReLU6 halves each of the 1280 directions at its mean."""
    convolution, norm = network.get_layer("Conv_1"), network.get_layer("Conv_1_bn")
    inputs = features(keras.Model(network.inputs, convolution.input), pixels)
    inputs = inputs.reshape(-1, inputs.shape[-1])
    covariance = np.cov(inputs.T)
    variances, directions = np.linalg.eigh(covariance)
    whitening = (directions / np.sqrt(variances / variances[-1] + WHITENING_FLOOR)) @ directions.T
    gaussian = np.random.default_rng(SEED).normal(size=(convolution.filters, inputs.shape[-1]))
    kernel = whitening @ np.linalg.qr(gaussian)[0].T
    kernel /= np.sqrt(np.einsum("ij,ik,kj->j", kernel, covariance, kernel, optimize=True))
    convolution.set_weights([kernel[None, None]])
    one, zero = np.ones(convolution.filters), np.zeros(convolution.filters)
    norm.set_weights([one, zero, inputs.mean(axis=0) @ kernel, one])


def finish(network: keras.Model, known: Photos) -> keras.Model:
    """The network as inference uses it: 224 px, its statistics measured, its numbers at float16 precision."""
    final = new_network(SIDE)
    final.set_weights(network.get_weights())
    shuffled = known.pixels[np.random.default_rng(SEED).permutation(len(known.pixels))]
    measure_batch_norm(final, shuffled[:1000])
    whiten(final, shuffled[:2500])
    final.set_weights([w.astype(np.float16).astype(np.float32) for w in final.get_weights()])  # half the size, zipped
    return final


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--compare", type=Path, help="weights to measure on the same photos; they train nothing")
    args = parser.parse_args()
    started = time.monotonic()
    keras.utils.set_random_seed(SEED)
    photos = load(args.photos)
    known = photos.of(split(photos.varieties)[0])
    network = new_network(None)
    for number, phase in enumerate(PHASES):
        train(network, known, phase, SEED + number)
        network.save(args.out.with_suffix(f".phase{number}.keras"))
    minutes = round((time.monotonic() - started) / 60)
    final = finish(network, known)
    final.save(draft := args.out.with_suffix(".draft.keras"))
    draft.replace(args.out)  # a reader finds the old file or the new one, whole
    others = {args.compare.name: evaluate(load_keras(args.compare), photos)} if args.compare else {}
    card = {
        "model": "keras.applications.MobileNetV2, include_top=False, pooling=avg, width 1.0, from random weights",
        "photos": "Fruits-360 (100 px, Training) by Mihai Oltean, CC BY-SA 4.0; the photos are not in the project",
        "protocol": protocol(photos),
        "phases": [phase._asdict() for phase in PHASES],
        "photos_a_step": PAIRS,
        "seed": SEED,
        "minutes": minutes,
        "versions": {"tensorflow": tf.__version__, "keras": keras.__version__, "numpy": np.__version__},
        "figures": {args.out.name: evaluate(final, photos)} | others,
    }
    args.out.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")


if __name__ == "__main__":
    main()
