"""What a run is good for, in words for readers who do not know the field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from armoire.measure.doctor import Examination
from armoire.measure.doctor_rules import train_again
from armoire.measure.intervals import Interval
from armoire.training.history import FOR_A_MAP, FOR_NEW_IMAGES
from armoire.wardrobe import Wardrobe

Answer = Literal["yes", "partly", "no", "not measured"]
Numbers = dict[str, Any]

ORDER: tuple[Answer, ...] = ("yes", "partly", "no")
RUN = "RUN"  # stands for the run's path, which does not belong in what is published
NOTHING_LEARNED = 0.1  # share of the pixels' variance, below which nothing else counts
FAITHFUL, RECOGNISABLE = 0.9, 0.5
ALIKE, HARDLY_ALIKE = 0.7, 0.9  # difference of neighbours, relative to that of two random images
FOUND, PARTLY_FOUND = 0.9, 0.6
MORE_THAN_A_CROSS_FADE = 0.2
WITHIN_DATA = 0.9
AS_GOOD, HALF_AS_GOOD = 1.25, 2.0  # Fréchet distance, relative to that of reconstructions
COPIES = 0.1
FEW_DIMENSIONS = 16  # below which a run that is healthy lacks dimensions rather than steps
FEW = 100  # held-out images, below which intervals are wide


@dataclass(frozen=True)
class Use:
    """One use of a run: whether it suits, the number that shows it, and the command to type next."""

    name: str
    answer: Answer
    because: str
    next: str


@dataclass(frozen=True)
class Verdict:
    """What a run is good for.

    Attributes:
        headline: one sentence.
        reconstructions: how it compares with principal components, in one sentence.
        uses: a map, finding copies, morphs, new images.
        caution: "", or that the images are too few for narrow intervals.
    """

    headline: str
    reconstructions: str
    uses: tuple[Use, ...]
    caution: str = ""

    @classmethod
    def from_dict(cls, values: Numbers) -> Verdict:
        """The inverse of `to_dict`."""
        return cls(**{**values, "uses": tuple(Use(**use) for use in values["uses"])})

    def to_dict(self) -> Numbers:
        """The verdict as JSON values."""
        return {**asdict(self), "uses": [asdict(use) for use in self.uses]}

    def lines(self, run: str) -> list[str]:
        """The sentences above the uses, for a run of this path."""
        return [line.replace(RUN, run) for line in (self.headline, self.reconstructions, self.caution) if line]

    def rows(self, run: str) -> list[tuple[str, str, str]]:
        """Name and answer, reason, and next command of each use."""
        return [(f"{use.name}: {use.answer}", use.because, use.next.replace(RUN, run)) for use in self.uses]


def give_verdict(wardrobe: Wardrobe, uses: Numbers, examination: Examination, samples: Numbers | None) -> Verdict:
    """The verdict on a run.

    Args:
        wardrobe: the run.
        uses: of `armoire.measure.uses.measure_uses`.
        examination: of `armoire.measure.doctor.examine`.
        samples: of `evaluate(samples=..)`; None where they were not measured.
    """
    numbers, found = examination.numbers, examination.findings
    longer, wider = (f"--steps {2 * numbers['steps']}", "longer"), (f"--latent {2 * FEW_DIMENSIONS}", "wider")
    better = wider if uses["dimensions"] < FEW_DIMENSIONS else longer
    fix = found[0].fix if found else train_again(wardrobe, *better)
    for written in (str(wardrobe.run.path), str(wardrobe.run)):
        fix = fix.replace(written, RUN)
    if numbers["explained"] < NOTHING_LEARNED:
        because = f"it has learned little: {_explained(numbers)}"
        every = tuple(Use(name, "no", because, fix) for name in USES)
        return Verdict(f"This run is not good for anything yet; {because}.", f"What to do: {fix}", every)
    every = tuple(assess(uses, numbers, samples, fix) for assess in USES.values())
    wide = f"Only {uses['n']} images were held out, so that the intervals are wide." if uses["n"] < FEW else ""
    return Verdict(_headline(every), _reconstructions(uses, numbers, fix), every, wide)


def _headline(uses: tuple[Use, ...]) -> str:
    words = {"yes": "good for {}", "partly": "of limited use for {}", "no": "not good for {}"}
    words["not measured"] = "not measured for {}"
    parts = []
    for answer, text in words.items():
        if names := [use.name for use in uses if use.answer == answer]:
            parts.append(text.format(" and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)))
    return f"This run is {'; '.join(parts)}."


def _reconstructions(uses: Numbers, numbers: Numbers, fix: str) -> str:
    ratio, d = uses["mse_ratio"], uses["dimensions"]
    text = (
        f"Reconstructions of unseen images have a squared error of {_number(uses['mse'])}, "
        f"{d} principal components, which take seconds, {_number(uses['components'])}: "
    )
    if ratio["high"] < 1:
        return f"{text}the training was worth it ({_explained(numbers)})."
    if ratio["low"] > 1:
        return f"{text}the training was not worth it yet; try {fix}"
    return f"{text}no difference that {uses['n']:,} images can show."


def _map(uses: Numbers, numbers: Numbers, _samples: Numbers | None, fix: str) -> Use:
    unlike, same = uses["unlike"], uses["same_class"]
    because = f"neighbours differ by {_percent(unlike)} of what two random images differ by"
    answer = _at_most(unlike["value"], ALIKE, HARDLY_ALIKE)
    if same:
        because += f"; {_percent(same)} are of the same class, by chance {uses['by_chance']:.0%}"
        # Classes may differ by what cannot be seen: they make a map less useful, not useless.
        answer = _worse(answer, "yes" if same["value"] >= (1 + uses["by_chance"]) / 2 else "partly")
    if numbers["training_images"] < FOR_A_MAP:
        answer, because = _worse(answer, "partly"), f"{because}; a map takes {FOR_A_MAP} images or more"
    return Use("a map", answer, because, fix if answer == "no" else f"armoire explore {RUN}")


def _copies(uses: Numbers, _numbers: Numbers, _samples: Numbers | None, fix: str) -> Use:
    found = uses["recompressed"]
    because = (
        f"of training images that were made smaller and recompressed, {_percent(found)} were found again; of those "
        f"cropped by a tenth, {_percent(uses['cropped'])}"
    )
    answer = _at_least(found["value"], FOUND, PARTLY_FOUND)
    return Use("finding copies", answer, because, fix if answer == "no" else f"armoire nearest {RUN} IMAGE")


def _morphs(uses: Numbers, numbers: Numbers, _samples: Numbers | None, fix: str) -> Use:
    if not (beyond := uses["beyond_cross_fade"]):
        return Use("morphs", "not measured", "two held-out images are needed", f"armoire morph {RUN} A B --out m.gif")
    answer = _at_least(numbers["explained"], RECOGNISABLE, NOTHING_LEARNED)
    because = f"the middle of a morph differs from a plain cross-fade by {_percent(beyond)} of what the ends differ by"
    if beyond["value"] < MORE_THAN_A_CROSS_FADE:
        answer, because = _worse(answer, "partly"), f"{because}, so that both images show through"
    if uses["in_data"]["value"] < WITHIN_DATA:
        answer, because = (
            _worse(answer, "partly"),
            f"{because}; {_percent(uses['in_data'])} of middles are near the data",
        )
    if answer != "yes" and numbers["explained"] < RECOGNISABLE:
        because = f"{because}; {_explained(numbers)}"
    return Use("morphs", answer, because, fix if answer == "no" else f"armoire morph {RUN} A B --out morph.gif")


def _new_images(_uses: Numbers, numbers: Numbers, samples: Numbers | None, fix: str) -> Use:
    n = numbers["training_images"]
    few = f"{n:,} training images, where new images take {FOR_NEW_IMAGES:,} or more" if n < FOR_NEW_IMAGES else ""
    sample = f"armoire sample {RUN} --out samples.png"
    if not samples or samples["features"] == "classifier":
        measure = f"armoire evaluate {RUN} --samples 2000"
        if numbers["explained"] < RECOGNISABLE:
            return Use("new images", "no", _explained(numbers), fix)
        return Use("new images", "not measured", few or "samples are measured on request", measure)
    fd, real, best = samples["fd"], samples["floor"]["fd"], samples["reconstructions"]["fd"]
    copied = samples["nearest_training"]["nearer_than_held_out"]
    because = (
        f"by the Fréchet distance, samples are at {fd:.0f}, reconstructions at {best:.0f} and real images at "
        f"{real:.0f} ({samples['n']:,} images); {copied:.0%} are nearly copies of training images"
    )
    answer = _worse(
        _at_most(fd, AS_GOOD * best, HALF_AS_GOOD * best), _at_least(numbers["explained"], FAITHFUL, RECOGNISABLE)
    )
    if copied > COPIES:
        answer = _worse(answer, "partly")
    if few:
        answer, because = _worse(answer, "partly"), f"{because}; {few}"
    return Use("new images", answer, because, fix if answer == "no" else sample)


#: By the name of each use.
USES: dict[str, Callable[[Numbers, Numbers, Numbers | None, str], Use]] = {
    "a map": _map,
    "finding copies": _copies,
    "morphs": _morphs,
    "new images": _new_images,
}


def _at_least(value: float, good: float, fair: float) -> Answer:
    return "yes" if value >= good else "partly" if value >= fair else "no"


def _at_most(value: float, good: float, fair: float) -> Answer:
    return _at_least(-value, -good, -fair)


def _worse(a: Answer, b: Answer) -> Answer:
    return b if ORDER.index(b) > ORDER.index(a) else a


def _explained(numbers: Numbers) -> str:
    return f"reconstructions explain {max(0, numbers['explained']):.0%} of what distinguishes unseen images"


def _percent(share: Interval) -> str:
    return f"{share['value']:.0%} ({share['low']:.0%} to {share['high']:.0%})"


def _number(value: Interval) -> str:
    return f"{value['value']:.4f} ({value['low']:.4f} to {value['high']:.4f})"
