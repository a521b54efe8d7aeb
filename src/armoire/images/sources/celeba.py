"""CelebA: 202,599 aligned faces with 40 attributes, in the layout of Kaggle or the official one.

Liu, Luo, Wang and Tang, "Deep Learning Face Attributes in the Wild", ICCV 2015, arXiv:1411.7766. The data set is for
non-commercial research only.

    Kaggle     img_align_celeba/img_align_celeba/*.jpg  list_attr_celeba.csv        list_eval_partition.csv
    official   img_align_celeba/*.jpg                   Anno/list_attr_celeba.txt   Eval/list_eval_partition.txt

Files are found by name anywhere in the source. There may be several list_attr_celeba*.csv or .txt, each with some of
the attributes of some of the images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from armoire.errors import ArmoireError
from armoire.images.archives import list_source
from armoire.images.columns import Columns, Role
from armoire.images.fit import Fit
from armoire.images.imageset import SetInfo
from armoire.images.listing import FileListing
from armoire.images.rows import RESERVED, SPLITS
from armoire.images.source import FileSource, Request, Source, SourceKind
from armoire.images.sources.celeba_annotations import Annotations, join, read_annotations
from armoire.io.files import sha256

NAME = "celeba"
IMAGES = "img_align_celeba"
ATTRIBUTES = ("list_attr_celeba*.csv", "list_attr_celeba*.txt")
PARTITION = ("list_eval_partition*.csv", "list_eval_partition*.txt")
# Programs with missing values write 1.0 for 1 in a column that has some.
YES_OR_NO = {"1": 1, "-1": -1, "0": -1, "": 0, "1.0": 1, "-1.0": -1, "0.0": -1, "nan": 0, "NaN": 0}
PARTITIONS = {"0": 1, "1": 2, "2": 3}  # positions in SPLITS, from 1, because 0 means unknown
USAGE = f"{NAME}:PATH"
HOW_TO_GIVE = f"give {USAGE}, the path of a Kaggle zip, the same unpacked, or a folder in the official layout"
BY_CONTENT = "a tenth of the images, chosen by content, is held out as test"


def is_celeba(*names: str) -> bool:
    """Whether names or paths of a data set mention CelebA, whose images may not be published."""
    return any(NAME in name.lower() for name in names)


def may_be_shown(info: SetInfo) -> bool:
    """Whether images of a data set may be published: CelebA's may not, even as a folder of that name."""
    return not is_celeba(info.name, info.source)


class CelebaSource(FileSource):
    """CelebA, whose whole images are stretched to size x size (bilinear)."""

    def __init__(self, path: Path, listing: FileListing) -> None:
        self.attributes, self.partitions = (_tables(listing, patterns) for patterns in (ATTRIBUTES, PARTITION))
        stamps = [f"{n}\0{listing.sidecars[n]}\0".encode() for n in self.attributes + self.partitions]
        digest = sha256(listing.digest.encode(), *stamps)
        super().__init__(NAME, f"{NAME}:{path.resolve()}", listing, _images(listing, path), digest)
        self.channels = 3

    def list_ids(self) -> Sequence[str]:
        return [PurePosixPath(name).name for name in self.names]

    def describe(self) -> Columns:
        notes: list[str] = []
        row_of = {PurePosixPath(name).stem: i for i, name in enumerate(self.names)}
        if not self.attributes:
            notes.append("there is no list_attr_celeba.csv or .txt: the images have no attributes")
        files = [_attributes(self.listing, name) for name in self.attributes]
        values = join(files, row_of)
        partitions = [read_annotations(self.listing, n, PARTITIONS, only="partition") for n in self.partitions]
        splits = _splits(partitions, row_of, notes.append)
        self.splits_are_final = None not in splits
        roles = [
            Role(column, "attribute", table=PurePosixPath(file.name).name) for file in files for column in file.columns
        ]
        return Columns(
            splits,
            [None] * len(self),
            values,
            roles=tuple(roles),
            notes=tuple(notes),
            tables=(*self.attributes, *self.partitions),
        )

    def fit(self, wanted: Fit) -> Fit:
        return Fit(wanted.size, "stretch", channels=3)


def _open(request: Request) -> Source:
    path = Path(request.argument).expanduser()
    if not path.exists():
        raise ArmoireError(f"no data at '{request.source}'; {HOW_TO_GIVE}")
    return CelebaSource(path, list_source(path))


CELEBA = SourceKind(USAGE, _open, named=True, needs_argument=True, argument_is_path=True)


def _images(listing: FileListing, path: Path) -> list[str]:
    """The images in folders of CelebA's name, by file name; all images where no folder has it."""
    found = [n for n in listing.names if PurePosixPath(n).parent.name == IMAGES] or listing.names
    if not found:
        raise ArmoireError(f"no images in {path}; {HOW_TO_GIVE}")
    by_stem: dict[str, str] = {}
    for name in found:
        if (other := by_stem.setdefault(PurePosixPath(name).stem, name)) != name:
            raise ArmoireError(f"{path} has one image twice, {other} and {name}; remove one of them")
    return sorted(found, key=lambda name: PurePosixPath(name).name)


def _tables(listing: FileListing, patterns: tuple[str, ...]) -> list[str]:
    return sorted(n for n in listing.sidecars if any(fnmatch(PurePosixPath(n).name, pattern) for pattern in patterns))


def _attributes(listing: FileListing, name: str) -> Annotations:
    annotations = read_annotations(listing, name, YES_OR_NO)
    for column in annotations.columns:
        if RESERVED.fullmatch(column) or not column:
            raise ArmoireError(f"{name} has a column '{column}', which cannot name an attribute; rename it")
    return annotations


def _splits(partitions: list[Annotations], row_of: Mapping[str, int], note: Callable[[str], None]) -> list[str | None]:
    """The official split of each image; None for all where no image is held out."""
    if not partitions:
        note(f"no list_eval_partition.csv or .txt: {BY_CONTENT}")
        return [None] * len(row_of)
    found = join(partitions, row_of)["partition"]
    if unlisted := int((found == 0).sum()):
        note(f"{unlisted:,} images that {partitions[0].name} does not list are counted as train")
    if not (found > 1).any():
        note(f"{partitions[0].name} holds out none of these images: {BY_CONTENT}")
        return [None] * len(row_of)
    return [SPLITS[max(1, number) - 1] for number in found.tolist()]
