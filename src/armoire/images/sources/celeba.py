"""CelebA (S16): 202,599 aligned faces with 40 attributes, in the layout of Kaggle or the official one, as it lies.

Liu, Luo, Wang and Tang, "Deep Learning Face Attributes in the Wild", ICCV 2015, arXiv:1411.7766. The data set is for
non-commercial research only.

    Kaggle     img_align_celeba/img_align_celeba/*.jpg  list_attr_celeba.csv        list_eval_partition.csv
    official   img_align_celeba/*.jpg                   Anno/list_attr_celeba.txt   Eval/list_eval_partition.txt

Files are found by name wherever they lie below the source, so that folders around them do no harm. There may be several
list_attr_celeba*.csv or .txt, each with some of the attributes for some of the images.
"""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from armoire.errors import ArmoireError
from armoire.images.fit import Fit
from armoire.images.imageset import RESERVED, SPLITS, ImageSet, SetInfo
from armoire.images.listing import FileListing, list_source
from armoire.images.sources.annotations import Annotations, join, read_annotations
from armoire.images.store import Entry, build_store, opened, ready_store
from armoire.io.files import sha256
from armoire.progress import Progress

NAME = "celeba"
PICTURES = "img_align_celeba"
ATTRIBUTES = ("list_attr_celeba*.csv", "list_attr_celeba*.txt")
PARTITION = ("list_eval_partition*.csv", "list_eval_partition*.txt")
# Programs that know missing values write 1.0 for 1 in a column that has some.
YES_OR_NO = {"1": 1, "-1": -1, "0": -1, "": 0, "1.0": 1, "-1.0": -1, "0.0": -1, "nan": 0, "NaN": 0}
PARTITIONS = {"0": 1, "1": 2, "2": 3}  # places in SPLITS, from 1: 0 is a missing fact
HOW_TO_GIVE = f"give {NAME}:PATH, the path of a Kaggle zip, the same unpacked, or a folder in the official layout"


def is_celeba(*names: str) -> bool:
    """Whether names and paths of a data set speak of CelebA, of which nothing may be passed on."""
    return any(NAME in name.lower() for name in names)


def may_be_shown(info: SetInfo) -> bool:
    """Whether pictures of a data set may leave its owner's hands: not CelebA's, not even as a folder of that name."""
    return not is_celeba(info.name, info.source)


def load_celeba(path: Path, size: int, progress: Progress, channels: int | None = None) -> ImageSet:
    """CelebA from a zip or folder, packed once; the whole picture is stretched to size x size (bilinear).

    Args:
        path: the zip or folder.
        size: side of the images, pixels.
        progress: where to report.
        channels: 3, unless grey ones are asked for.

    Raises:
        ArmoireError: there are no such pictures, or a table of facts is damaged.
    """
    listing = list_source(path)
    pictures = _pictures(listing, path)
    attribute_files, partition_files = (_tables(listing, patterns) for patterns in (ATTRIBUTES, PARTITION))
    tables = attribute_files + partition_files
    info = SetInfo(
        name=NAME,
        source=f"{NAME}:{path.resolve()}",
        fit=Fit(size, "stretch", channels=channels or 3),
        ignored=len(listing.names) + len(listing.beside) - len(pictures) - len(tables),
        listing=sha256(listing.digest.encode(), *(f"{name}\0{listing.beside[name]}\0".encode() for name in tables)),
        attribute_files=tuple(PurePosixPath(name).name for name in attribute_files),
    )
    store, ready = ready_store(NAME, info.source, info.fit, info.listing)
    if ready is not None:
        return ready
    place = {PurePosixPath(name).stem: i for i, name in enumerate(pictures)}
    if not attribute_files:
        progress.note(f"{path} holds no list_attr_celeba.csv or .txt: the images have no attributes")
    attributes = join([_attributes(listing, name) for name in attribute_files], place)
    partitions = [read_annotations(listing, name, PARTITIONS, only="partition") for name in partition_files]
    splits = _splits(partitions, place, progress)
    path_of = {PurePosixPath(name).name: name for name in pictures}
    entries = [Entry(name, split) for name, split in zip(path_of, splits, strict=True)]
    return build_store(
        store,
        entries,
        opened(list(path_of.values()), listing.open),
        info,
        progress,
        info.fit.channels,
        attributes,
        splits_are_final=None not in splits,
    )


def _pictures(listing: FileListing, path: Path) -> list[str]:
    """The pictures in folders of the right name, by file name; all there are where no folder has it."""
    found = [n for n in listing.names if PurePosixPath(n).parent.name == PICTURES] or listing.names
    if not found:
        raise ArmoireError(f"no images in {path}; {HOW_TO_GIVE}")
    by_stem: dict[str, str] = {}
    for name in found:
        if (other := by_stem.setdefault(PurePosixPath(name).stem, name)) != name:
            raise ArmoireError(f"{path} holds one image twice, {other} and {name}; remove one of them")
    return sorted(found, key=lambda name: PurePosixPath(name).name)


def _tables(listing: FileListing, patterns: tuple[str, ...]) -> list[str]:
    return sorted(n for n in listing.beside if any(fnmatch(PurePosixPath(n).name, pattern) for pattern in patterns))


def _attributes(listing: FileListing, name: str) -> Annotations:
    facts = read_annotations(listing, name, YES_OR_NO)
    for column in facts.columns:
        if RESERVED.fullmatch(column) or not column:
            raise ArmoireError(f"{name} has a column '{column}', which cannot name an attribute; rename it")
    return facts


def _splits(partitions: list[Annotations], place: dict[str, int], progress: Progress) -> list[str | None]:
    """The official split of each image; None for all where there is no official one to keep."""
    by_content = "a tenth of the images, chosen by content, is held out as test"
    if not partitions:
        progress.note(f"no list_eval_partition.csv or .txt: {by_content}")
        return [None] * len(place)
    found = join(partitions, place)["partition"]
    if unlisted := int((found == 0).sum()):
        progress.note(f"{unlisted:,} images that {partitions[0].name} does not list are counted as train")
    if not (found > 1).any():
        progress.note(f"{partitions[0].name} holds nothing out of these images: {by_content}")
        return [None] * len(place)
    return [SPLITS[max(1, number) - 1] for number in found.tolist()]
