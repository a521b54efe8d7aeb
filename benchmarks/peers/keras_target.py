"""Epochs of the published trainings in Keras: `keras_target.py FOLDER JOB EPOCHS`, with FOLDER/{train,test}.npy uint8.

Prints, after each epoch, the seconds of training so far (measuring left out) and the test loss as one JSON line.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import keras
import numpy as np
from keras import ops
from laps import JOBS, SEED
from with_keras import Net

WEIGHT = 500.0  # of the mean cross-entropy, in the published VAE


class Published(Net):
    """With the published losses: mean cross-entropy, for the VAE times 500 and with the KL divergence."""

    def objective(self, x, training: bool):
        """The published loss."""
        heads = self.encoder(x, training=training)
        if not self.job.variational:
            z = heads[0] if isinstance(heads, list) else heads
            return ops.mean(keras.losses.binary_crossentropy(x, self.decoder(z, training=training)))
        mean, log_var = heads
        z = mean + ops.exp(0.5 * log_var) * keras.random.normal(ops.shape(mean))
        error = ops.mean(keras.losses.binary_crossentropy(x, self.decoder(z, training=training)))
        return WEIGHT * error + ops.mean(ops.sum(-0.5 * (1 + log_var - ops.square(mean) - ops.exp(log_var)), axis=1))

    def test_step(self, x):
        """The same on held-out images."""
        self.total.update_state(self.objective(x, training=False))
        return {"total": self.total.result()}


folder, job = Path(sys.argv[1]), JOBS[sys.argv[2]]
train, test = (np.load(folder / f"{name}.npy").astype(np.float32) / 255 for name in ("train", "test"))
keras.utils.set_random_seed(SEED)
model = Published(job)
model.compile(optimizer=keras.optimizers.Adam(job.lr))
seconds = 0.0
for epoch in range(int(sys.argv[3])):
    began = time.perf_counter()
    model.fit(train, batch_size=job.batch, epochs=1, shuffle=True, verbose=0)
    seconds += time.perf_counter() - began
    loss = model.evaluate(test, batch_size=job.batch, verbose=0)
    loss = float(loss["total"] if isinstance(loss, dict) else np.ravel(loss)[0])
    print(json.dumps({"epoch": epoch + 1, "seconds": seconds, "loss": loss}), flush=True)
