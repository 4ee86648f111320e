"""Train the bundled MobileNetV2 from random weights, without any pretrained weights.

    photos ─▶ two random crops of each ─▶ network ─▶ 1280 features ─▶ name of the variety   (cross-entropy)
                                                               └─▶ many shared directions (spectral loss)
    trained network ─▶ batch norm measured at 224 px ─▶ last convolution whitened ─▶ .keras, .onnx, model card (.json)

    python -m training.train_weights --photos DIR --out FILE.keras [--credit TEXT] [--compare OTHER.keras ...]
    python -m training.train_weights --photos DIR --compare FILE.keras ...      no training, only prints figures

DIR has one folder of photos per variety; `evaluation.split` excludes whole varieties from training. Crops are cut at
the scale of inference (a photo is 224 px wide), so a small crop shows the same textures as a whole photo, at a tenth of
the cost. The three files written are those in `transforms/weights/`.
Requires TensorFlow and about 6 GiB of memory, but no Spark; takes a quarter of an hour on two cores.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from catalog.storage import write_atomically
from training.evaluation import Photos, evaluate, features, load, protocol, split
from transforms.keras_export import load_keras, to_onnx
from transforms.weights import SIDE, fingerprint_of

STEPS = 600
RATE = 2e-3  # peak learning rate of the single cosine cycle
PAIRS = 64  # photos per step, two crops of each
CROP = 64  # px
SCALE = (0.75, 1.75)  # pixels of the photo per pixel of the crop, log-uniform
MAX_ANGLE = np.pi / 4  # of a crop's rotation, in both directions
NAMING = 0.3  # weight of the cross-entropy, which alone would drop features that distinguish unknown varieties
LIGHT, TINT = 0.05, 0.02  # range of brightness changes: of all channels together, and of each one
WHITENING_FLOOR = 1e-4  # as a share of the largest variance, chosen on the validation varieties; see whiten()
SEED = 0


def new_network(side: int | None) -> keras.Model:
    """MobileNetV2 with random weights for photos of side px; None accepts any size, with the same variables."""
    return keras.applications.MobileNetV2(include_top=False, pooling="avg", weights=None, input_shape=(side, side, 3))


def crops(photos: tf.Tensor) -> tf.Tensor:
    """(n, CROP, CROP, 3) in -1..1: each photo randomly shifted, scaled, rotated, mirrored and brightened."""
    n = tf.shape(photos)[0]

    def draw(low: float, high: float) -> tf.Tensor:
        return tf.random.uniform([n], low, high)

    scale, angle, mirror = tf.exp(draw(*np.log(SCALE))), draw(-MAX_ANGLE, MAX_ANGLE), tf.sign(draw(-1, 1))
    cos, sin = tf.cos(angle) * scale, tf.sin(angle) * scale
    x, y = draw(SIDE / 4, SIDE * 3 / 4), draw(SIDE / 4, SIDE * 3 / 4)  # the crop's centre: mostly on the fruit
    half, zero = (CROP - 1) / 2, tf.zeros([n])
    row = [cos * mirror, -sin, x - half * (cos * mirror - sin)]
    column = [sin * mirror, cos, y - half * (sin * mirror + cos)]
    to_photo = tf.stack([*row, *column, zero, zero], axis=1)
    kind = {"interpolation": "BILINEAR", "fill_mode": "NEAREST", "fill_value": 0.0}
    pixels = tf.raw_ops.ImageProjectiveTransformV3(images=photos, transforms=to_photo, output_shape=[CROP] * 2, **kind)
    # Only slightly, because varieties of the same fruit differ in their exact colour.
    light = draw(1 - LIGHT, 1 + LIGHT)[:, None, None, None] * tf.random.uniform([n, 1, 1, 3], 1 - TINT, 1 + TINT)
    return tf.clip_by_value(tf.cast(pixels, tf.float32) * light, 0, 255) / 127.5 - 1


def spectral_loss(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """-log of the number of directions in which the features of two views vary together.

    It is log(|C|² / (tr C)²) of their cross-covariance C, computed from (n, n) Gram matrices. It prevents the collapse
    to a few directions that labels alone would cause. Noise does not lower it: a direction only counts if both views
    agree.
    """
    a, b = a - tf.reduce_mean(a, axis=0), b - tf.reduce_mean(b, axis=0)
    squared = tf.reduce_sum(tf.matmul(a, a, transpose_b=True) * tf.matmul(b, b, transpose_b=True))
    return tf.math.log(squared + 1e-12) - 2 * tf.math.log(tf.maximum(tf.reduce_sum(a * b), 1e-6))


def train(network: keras.Model, photos: Photos, steps: int) -> None:
    """Train in place. The classification layer is only used here, and then discarded."""
    pixels, labels = tf.constant(photos.pixels), tf.constant(photos.labels)
    head = keras.layers.Dense(len(photos.varieties))
    head.build((None, network.output_shape[-1]))
    rate = keras.optimizers.schedules.CosineDecay(
        RATE / 20, steps, alpha=0.01, warmup_target=RATE, warmup_steps=max(1, steps // 10)
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=0.05, global_clipnorm=5.0)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    variables = network.trainable_variables + head.trainable_variables
    optimizer.build(variables)
    name_loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)

    def step(chosen: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        mine = tf.gather(pixels, chosen)
        names = tf.one_hot(tf.tile(tf.gather(labels, chosen), [2]), len(photos.varieties))
        views = tf.concat([crops(mine), crops(mine)], axis=0)
        with tf.GradientTape() as tape:
            x = network(views, training=True)
            naming, shared = name_loss(names, head(tf.nn.dropout(x, 0.2))), spectral_loss(*tf.split(x, 2))
            loss = NAMING * naming + shared
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return naming, tf.exp(-shared)

    step = tf.function(step)
    random, started, waiting = np.random.default_rng(SEED), time.monotonic(), np.empty(0, np.int64)
    for i in range(1, steps + 1):
        if len(waiting) < PAIRS:
            waiting = np.concatenate([waiting, random.permutation(len(photos.labels))])
        chosen, waiting = waiting[:PAIRS], waiting[PAIRS:]
        naming, shared = step(tf.constant(chosen))
        if i % 50 == 0 or i == steps:
            clock = f"{time.monotonic() - started:.0f} s"
            print(f"step {i}: {clock}, cross-entropy {naming:.3f}, shared directions {shared:.1f}", flush=True)


def measure_batch_norm(network: keras.Model, pixels: Any, size: int = 50) -> None:
    """Replace the running means and variances, measured on crops, with those of whole, unchanged photos."""
    layers = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    usual = layers[0].momentum
    for i in range(len(pixels) // size):
        for layer in layers:
            layer.momentum = i / (i + 1)  # a plain mean over the batches
        network(pixels[i * size : (i + 1) * size].astype(np.float32) / 127.5 - 1, training=True)
    for layer in layers:
        layer.momentum = usual


def whiten(network: keras.Model, pixels: Any) -> None:
    """Replace the last convolution (320 → 1280) with a whitening of its inputs and a fixed random rotation.

    Features that distinguish an unknown variety from similar ones often vary little over the known varieties; whitening
    gives them the same weight as the others. Directions below WHITENING_FLOOR stay small, because they are noise. Batch
    norm only subtracts the mean, so ReLU6 cuts each of the 1280 directions at its mean.
    """
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
    """Build the network for inference: 224 px, batch norm measured, whitened, weights rounded to float16."""
    final = new_network(SIDE)
    final.set_weights(network.get_weights())
    shuffled = known.pixels[np.random.default_rng(SEED).permutation(len(known.pixels))]
    measure_batch_norm(final, shuffled[:1000])
    whiten(final, shuffled[:2500])
    final.set_weights([w.astype(np.float16).astype(np.float32) for w in final.get_weights()])  # half the size, zipped
    return final


def save(network: keras.Model, out: Path) -> None:
    """Write FILE.keras and FILE.onnx."""
    draft = out.with_suffix(".draft.keras")
    network.save(draft)
    draft.replace(out)  # readers find either the old or the new file, complete
    write_atomically(str(out.with_suffix(".onnx").absolute()), to_onnx(network, fingerprint_of(out)))


def main() -> None:
    """Train and write the three files, or only measure existing weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="one folder of .jpg per variety")
    parser.add_argument("--out", type=Path, metavar="FILE.keras", help="train, and write these weights")
    parser.add_argument("--compare", type=Path, nargs="+", default=[], help="weights to measure on the same photos")
    parser.add_argument("--credit", default="not stated", help="source of the photos, for the model card")
    parser.add_argument("--steps", type=int, default=STEPS, help="number of training steps")
    args = parser.parse_args()
    if not (args.out or args.compare):
        parser.error("give --out to train, --compare to measure, or both")
    photos = load(args.photos)
    figures = {}
    if args.out:
        keras.utils.set_random_seed(SEED)
        started = time.monotonic()
        known, network = photos.of(split(photos.varieties)[0]), new_network(None)
        train(network, known, args.steps)
        minutes = round((time.monotonic() - started) / 60)
        final = finish(network, known)
        save(final, args.out)
        figures[args.out.name] = evaluate(final, photos)
    figures |= {weights.name: evaluate(load_keras(weights), photos) for weights in args.compare}
    print(json.dumps(figures, indent=2))
    if args.out:
        card = {
            "model": "keras.applications.MobileNetV2, include_top=False, pooling=avg, width 1.0, from random weights",
            "photos": args.credit,
            "protocol": protocol(photos),
            "training": {"crop": CROP, "steps": args.steps, "rate": RATE, "photos_per_step": PAIRS, "seed": SEED},
            "minutes": minutes,
            "versions": {"tensorflow": tf.__version__, "keras": keras.__version__, "numpy": np.__version__},
            "figures": figures,
        }
        args.out.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")


if __name__ == "__main__":
    main()
