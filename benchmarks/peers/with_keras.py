"""Keras on TensorFlow: the published networks, trained by `fit` with a train step of their own."""

from __future__ import annotations

import math
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from laps import SEED, Job, Lap, data, serve, timed


def finish(job: Job, h):
    """What follows a convolution."""
    if job.batch_norm:
        h = layers.BatchNormalization()(h)
    return layers.LeakyReLU(negative_slope=0.3)(h) if job.leaky else layers.ReLU()(h)


class Net(keras.Model):
    """Encoder, sampling, decoder; the objective in nats per image."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job = job
        shape = (job.size, job.size, job.image_channels)
        h = x = keras.Input(shape)
        for channels in job.channels:
            h = finish(job, layers.Conv2D(channels, 3, strides=2, padding="same")(h))
        h = layers.Flatten()(h)
        heads = [layers.Dense(job.latent)(h) for _ in range(1 + job.variational)]
        self.encoder = keras.Model(x, heads)
        side = job.size >> len(job.channels)
        h = z = keras.Input((job.latent,))
        h = layers.Dense(job.channels[-1] * side * side)(h)
        if job.batch_norm:
            h = layers.LeakyReLU(negative_slope=0.3)(layers.BatchNormalization()(h))
        h = layers.Reshape((side, side, job.channels[-1]))(h)
        for channels in job.channels[::-1]:
            h = finish(job, layers.Conv2DTranspose(channels, 3, strides=2, padding="same")(h))
        self.decoder = keras.Model(z, layers.Conv2D(job.image_channels, 3, padding="same", activation="sigmoid")(h))
        self.total = keras.metrics.Mean(name="total")

    @property
    def metrics(self):
        """Reset by `fit` at each epoch."""
        return [self.total]

    def objective(self, x, training: bool):
        """distortion + rate, nats per image."""
        heads = self.encoder(x, training=training)
        z, rate = (heads[0] if isinstance(heads, list) else heads), 0.0
        if self.job.variational:
            mean, log_var = heads
            rate = ops.mean(ops.sum(-0.5 * (1 + log_var - ops.square(mean) - ops.exp(log_var)), axis=1))
            z = mean + ops.exp(0.5 * log_var) * keras.random.normal(ops.shape(mean))
        made = self.decoder(z, training=training)
        pixels = math.prod(x.shape[1:])
        if self.job.sigma2 is None:
            return pixels * ops.mean(keras.losses.binary_crossentropy(x, made)) + rate
        squared = pixels * ops.mean(ops.square(x - made))
        return squared / (2 * self.job.sigma2) + pixels / 2 * math.log(2 * math.pi * self.job.sigma2) + rate

    def train_step(self, x):
        """As the published code has it."""
        with tf.GradientTape() as tape:
            loss = self.objective(x, training=True)
        self.optimizer.apply_gradients(
            zip(tape.gradient(loss, self.trainable_variables), self.trainable_variables, strict=True)
        )
        self.total.update_state(loss)
        return {"total": self.total.result()}


def make(job: Job, act: str) -> Lap:
    """Laps of `fit`, or of `predict`."""
    keras.utils.set_random_seed(SEED)
    model = Net(job)
    model.compile(optimizer=keras.optimizers.Adam(job.lr))
    x = data(job).astype(np.float32) / 255

    def train() -> float:
        return model.fit(x, batch_size=job.batch, epochs=1, shuffle=True, verbose=0).history["total"][-1]

    def encode() -> None:
        model.encoder.predict(x, batch_size=500, verbose=0)

    return lambda: timed(train if act == "train" else encode)


if __name__ == "__main__":
    serve({"keras": keras.__version__, "tensorflow": tf.__version__}, make)
