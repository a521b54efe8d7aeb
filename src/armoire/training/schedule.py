"""The length of a training, and learning rate and beta as pure functions of the position in it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from armoire.training.recipe import Recipe

FEWEST_STEPS = 1000  # with fewer, reconstructions are still blurred, whatever the settings
ENOUGH_STEPS = 2000  # for reconstructions that are no longer blurred, with any number of images
ROWS = 20  # measurements of a training whose length is not in epochs
MEASURING = 0.1  # share of the work that measurements may take, the last one aside
FORWARD = 1 / 3  # of the work of a step is the forward pass, which is all that a measurement needs


def default_steps(images: int) -> int:
    """Steps for n training images: 1,000 * (n / 200)^(1/2) up to 3,200 images, then 2,000 * (n / 200)^(1/4).

    At least 1,000. Few images are seen often, and soon by heart: 200 of them 160 times (in batches of 32). Many are
    seen a few times: 200,000 less than twice.
    """
    n = max(1.0, images / 200)
    return 10 * round(min(FEWEST_STEPS / 10 * n**0.5, ENOUGH_STEPS / 10 * n**0.25))


class Length:
    """How long a training is, and how far it has come: in steps, or by the clock in milliseconds.

    The time counts steps, measurements and saving, from the first step on; enough of it to measure once is reserved.

    Attributes:
        total: steps, or milliseconds.
        position: from 0 to `total`, before the next step.
        by_clock: whether it is in milliseconds.
        reserve: seconds that a measurement takes.
    """

    def __init__(
        self, recipe: Recipe, steps_per_epoch: int, measured: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`measured` is the number of images of a measurement."""
        self.by_clock, self._clock = recipe.minutes is not None, clock
        if recipe.minutes:
            self.total = max(1, round(recipe.minutes * 60_000))
        else:
            self.total = recipe.steps or (recipe.epochs or 0) * steps_per_epoch
        self._fewest = math.ceil(FORWARD * measured / (MEASURING * recipe.batch))  # steps between measurements
        self._every = steps_per_epoch if recipe.epochs else max(self._fewest, math.ceil(self.total / ROWS))
        self.position = self._before = 0
        self.reserve = 0.0
        self.start(0, 0.0)

    def start(self, step: int, seconds: float) -> None:
        """Begin after so many steps and seconds, or go on from there."""
        self._first = step, seconds
        self._began = self._clock() - seconds
        self.move(self.now(step))
        self.measured(step)

    @property
    def seconds(self) -> float:
        """Spent on the training so far."""
        return self._clock() - self._began

    @property
    def is_over(self) -> bool:
        return self.position >= self.total

    def now(self, step: int) -> int:
        """The position after a step; by the clock, that of this process."""
        if not self.by_clock:
            return step
        usable = max(self.total / 2, self.total - 1000 * self.reserve)
        return min(self.total, int(self.total * 1000 * self.seconds / usable))

    def move(self, position: int) -> None:
        """Go to a position, never back."""
        self._before, self.position = self.position, max(self.position, position)

    def at(self, step: int) -> int:
        """The position before a step, from 0; by the clock, before the last step."""
        return self._before if self.by_clock else step

    def passed(self, parts: int) -> bool:
        """Whether the last step reached another of so many equal parts of the training."""
        return self.position * parts // self.total > self._before * parts // self.total

    def is_due(self, step: int) -> bool:
        """Whether to measure after a step: at the end of each epoch, or `ROWS` times, or less often to save work."""
        if self.is_over:
            return True
        if not self.by_clock:
            return step % self._every == 0
        row_step, row_position = self._row
        if (self.position - row_position) * ROWS < self.total:
            return False
        if self._is_estimated:  # the first one shows what one takes
            return 1500 * self.reserve < self.total
        # Time must be left for steps after this measurement, and for the last one.
        return step - row_step >= self._fewest and 1000 * (self.seconds + 3 * self.reserve) < self.total

    def measured(self, step: int, seconds: float | None = None) -> None:
        """A measurement after a step is done, and took so many seconds."""
        self._row, self._is_estimated = (step, self.position), seconds is None
        self.reserve = self.reserve if seconds is None else seconds

    def expect(self, step: int) -> None:
        """Before the first measurement, expect its time from that of the steps."""
        first, seconds = self._first
        if self._is_estimated:
            self.reserve = self._fewest * MEASURING * (self.seconds - seconds) / max(1, step - first)

    def steps(self, step: int) -> int:
        """The steps of the whole training, after one; by the clock an estimate."""
        return round(step * self.total / max(1, self.position)) if self.by_clock else self.total

    def describe(self, step: int) -> str:
        """A step out of all, or with the time."""
        if not self.by_clock:
            return f"{step:,} of {self.total:,} steps"
        return f"{step:,} steps, {self.position / 60_000:.3g} of {self.total / 60_000:g} minutes"


def learning_rate(recipe: Recipe, step: int, total: int) -> float:
    """The learning rate of a step, from 0, out of `total` (or of a time, see `Length`).

    `one-cycle` is the shape of arXiv:1708.07120: linearly up to `lr` over `warmup` of the steps, then half a cosine
    down to 0.
    """
    if recipe.schedule == "constant":
        return recipe.lr
    up = recipe.warmup * total
    if step < up:
        return recipe.lr * (step + 1) / (up + 1)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * (step - up) / max(1.0, total - up)))


def beta_at(recipe: Recipe, step: int, total: int) -> float:
    """The weight of the rate at a step, from 0, out of `total`.

    It rises linearly from 0 to `beta` over `beta_warmup` of each of `beta_cycles` equal parts of the training:
    one cycle is the KL warm-up of arXiv:1511.06349, several are the cyclical schedule of arXiv:1903.10145.
    """
    cycle = total / recipe.beta_cycles
    rise = recipe.beta_warmup * cycle
    return recipe.beta * min(1.0, (step % cycle) / rise) if rise else recipe.beta
