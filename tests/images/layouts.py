"""Drawn images in the layouts of well-known data sets, as these are published, each with the truth of what is in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import BytesIO

import numpy as np
from data_sets import DataSet, Row, encoded, picture, tarred

Images = dict[str, Row]  # by path, in the order of their numbers

FINDINGS = (
    "No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema",
    "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture",
    "Support Devices",
)  # fmt: skip


def build(
    images: Images, others: Mapping[str, bytes | str] | None = None, spare: Iterable[str] = (), **more
) -> DataSet:
    """A data set of those images and other files; the images whose paths begin with `spare` may be left out."""
    names = list(images)
    files = {name: encoded(n, name.rpartition(".")[2]) for n, name in enumerate(names)}
    files |= {name: text.encode() if isinstance(text, str) else text for name, text in (others or {}).items()}
    left = frozenset(n for n, name in enumerate(names) if name.startswith(tuple(spare)))
    return DataSet(files, {n: images[name] for n, name in enumerate(names)}, left, names=dict(enumerate(names)), **more)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    return "\n".join(",".join(str(cell) for cell in row) for row in [header, *rows]) + "\n"


def masks(names: Iterable[str]) -> dict[str, bytes]:
    """Images that are none of the data set's: annotations of its images."""
    return {name: encoded(1000 + n, "png", "L") for n, name in enumerate(names)}


def kaggle_cats_and_dogs() -> DataSet:
    """training_set/training_set/cats/cat.1.jpg, as the archive unpacks."""
    parts = {"training": ("train", range(1, 9)), "test": ("test", range(4001, 4004))}
    return build({
        f"{part}_set/{part}_set/{kind}s/{kind}.{k}.jpg": Row(split, f"{kind}s")
        for part, (split, numbers) in parts.items() for kind in ("cat", "dog") for k in numbers
    })  # fmt: skip


def kaggle_dogs_vs_cats() -> DataSet:
    """train/cat.0.jpg: the class is in the file name; nobody knows that of test/1.jpg."""
    train = {f"train/{kind}.{k}.jpg": Row("train", kind) for kind in ("cat", "dog") for k in range(8)}
    test = {f"test/{k}.jpg": Row("test") for k in range(1, 5)}
    others = {"sample_submission.csv": table(("id", "label"), [(k, 0.5) for k in range(1, 5)])}
    return build(train | test, others, choice={"label_pattern": r"(cat|dog)\.\d+"})


def intel_scenes() -> DataSet:
    """seg_train/seg_train/CLASS/K.jpg, and seg_pred without classes."""
    scenes = ("buildings", "forest", "glacier", "mountain", "sea", "street")
    return build(
        {
            f"seg_{part}/seg_{part}/{scene}/{10 * k + i}.jpg": Row(part, scene)
            for part, n in (("train", 3), ("test", 2)) for i, scene in enumerate(scenes) for k in range(n)
        } | {f"seg_pred/seg_pred/{k}.jpg": Row() for k in (5, 11, 24)},
        spare=["seg_pred"],
    )  # fmt: skip


def ham10000() -> DataSet:
    """Two folders of images, a table with five columns of words, and tables of the images' pixels."""
    diagnoses, kinds = ("bkl", "nv", "mel", "df"), ("histo", "follow_up", "consensus", "confocal")
    names = [f"ISIC_{27419 + 7 * k:07d}" for k in range(20)]
    part = {name: f"HAM10000_images_part_{1 + (k >= 10)}/{name}.jpg" for k, name in enumerate(names)}
    rows = [
        (f"HAM_{k // 2:07d}", name, diagnoses[k % 4], kinds[k % 3], 45.0 + 5 * (k % 5), ("male", "female")[k % 2],
         ("scalp", "back", "ear")[k % 3])
        for k, name in enumerate(names)
    ]  # fmt: skip
    rows.sort(key=lambda row: row[2])
    header = ("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization")
    pixels = [f"pixel{k:04d}" for k in range(8 * 8 * 3)]
    flat = [(*picture(k)[::2, ::2].ravel(), k % 7) for k in range(20)]
    return build(
        {part[name]: Row(None, diagnoses[k % 4]) for k, name in enumerate(names)},
        {"HAM10000_metadata.csv": table(header, rows), "hmnist_8_8_RGB.csv": table((*pixels, "label"), flat)},
        choice={"label": "dx"},
    )


def isic_2019() -> DataSet:
    """A class as one column of 1.0 and 0.0 for each diagnosis, and a second table about the patients."""
    diagnoses = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")
    names = [f"ISIC_{k * 13:07d}{'_downsampled' if k % 4 == 1 else ''}" for k in range(20)]
    one_hot = [(name, *(float(k % 8 == i) for i in range(9))) for k, name in enumerate(names)]
    patients = [
        (name, ("", 55.0, 30.0)[k % 3], ("anterior torso", "upper extremity", "")[k % 3],
         f"MSK4_{k:07d}" if k % 2 else "", ("female", "male")[k % 2])
        for k, name in enumerate(names)
    ]  # fmt: skip
    folder = "ISIC_2019_Training_"
    header = ("image", "age_approx", "anatom_site_general", "lesion_id", "sex")
    return build(
        {f"{folder}Input/{name}.jpg": Row(None, diagnoses[k % 8], {d: k % 8 == i for i, d in enumerate(diagnoses)})
         for k, name in enumerate(names)},
        {f"{folder}GroundTruth.csv": table(("image", *diagnoses), one_hot),
         f"{folder}Metadata.csv": table(header, patients),
         f"{folder}Input/ATTRIBUTION.txt": "who made them", f"{folder}Input/LICENSE.txt": "CC"},
        optional=frozenset(diagnoses),
    )  # fmt: skip


def chexpert() -> DataSet:
    """train/patient00001/study1/view1_frontal.jpg, and tables whose paths begin above the folder; -1.0 is uncertain."""
    meaning = {"1.0": True, "0.0": False, "-1.0": None, "": None}
    images: Images = {}
    tables: dict[str, list[Sequence[object]]] = {"train": [], "valid": []}
    for split, patients in (("train", range(1, 13)), ("valid", range(64541, 64545))):
        allowed = list(meaning) if split == "train" else ["1.0", "0.0"]
        for p in patients:
            for view in ("view1_frontal", "view2_lateral")[: 1 + p % 2]:
                values = [allowed[(p + view.count("l") + i * i) % len(allowed)] for i in range(14)]
                name = f"CheXpert-v1.0-small/{split}/patient{p:05d}/study1/{view}.jpg"
                side = view.partition("_")[2].title()
                seen = "" if side == "Lateral" else ("AP", "PA")[p % 2]
                tables[split].append((name, ("Male", "Female")[p % 2], 40 + p % 50, side, seen, *values))
                findings = {finding: meaning[value] for finding, value in zip(FINDINGS, values, strict=True)}
                images[name] = Row(split, None, findings)
    header = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *FINDINGS)
    others = {f"CheXpert-v1.0-small/{split}.csv": table(header, rows) for split, rows in tables.items()}
    return build(images, others, top="CheXpert-v1.0-small", choice={"label": "none"})


def mvtec_object() -> DataSet:
    """bottle/train/good, bottle/test/DEFECT, and masks of the defects in ground_truth."""
    return _mvtec(["bottle"], top="bottle")


def mvtec_all() -> DataSet:
    """Several objects; whether the class is the object or the defect is the reader's choice."""
    return _mvtec(["bottle", "cable"], judged=frozenset({"split"}))


def _mvtec(objects: Sequence[str], **more) -> DataSet:
    kinds = [("train", "good", 8), ("test", "good", 3), ("test", "broken_large", 3), ("test", "contamination", 3)]
    images = {
        f"{o}/{split}/{kind}/{k:03d}.png": Row(split, kind)
        for o in objects
        for split, kind, n in kinds
        for k in range(n)
    }
    truth = [f"{o}/ground_truth/{kind}/{k:03d}_mask.png" for o in objects for _, kind, _ in kinds[2:] for k in range(3)]
    texts = {f"{at}{name}.txt": "words" for name in ("license", "readme") for at in ("", *(f"{o}/" for o in objects))}
    return build(images, {**masks(truth), **texts}, **more)


def pascal_voc() -> DataSet:
    """JPEGImages, lists of splits by stem, boxes in XML, and masks of the same names."""
    splits = {"train": range(8), "val": range(8, 12)}
    images = {
        f"VOC2012/JPEGImages/2007_{k:06d}.jpg": Row("valid" if split == "val" else split)
        for split, numbers in splits.items()
        for k in numbers
    }
    lists = {
        f"VOC2012/ImageSets/Main/{split}.txt": "".join(f"2007_{k:06d}\n" for k in numbers)
        for split, numbers in splits.items()
    }
    boxes = {f"VOC2012/Annotations/2007_{k:06d}.xml": "<annotation></annotation>" for k in range(12)}
    kinds = ("SegmentationClass", "SegmentationObject")
    drawn = masks(f"VOC2012/{kind}/2007_{k:06d}.png" for kind in kinds for k in (1, 9))
    return build(images, {**lists, **boxes, **drawn})


def stl10() -> DataSet:
    """Folders of classes in train and test, and a folder of images without classes."""
    kinds = ("airplane", "bird", "car")
    labelled = {
        f"{split}/{kind}/{k + 1}.png": Row(split, kind)
        for split, n in (("train", 5), ("test", 3)) for kind in kinds for k in range(n)
    }  # fmt: skip
    return build(labelled | {f"unlabeled/{k + 1}.png": Row() for k in range(6)}, spare=["unlabeled"])


def cub_200() -> DataSet:
    """Class folders with numbers, and text files of numbers: of images, classes, splits and boxes."""
    kinds = ("001.Black_footed_Albatross", "002.Laysan_Albatross", "010.Red_winged_Blackbird")
    names = [f"{kind}/{kind[4:]}_{k + 1:04d}_{796097 + k}.jpg" for kind in kinds for k in range(6)]
    texts = {
        "images": [f"{n + 1} {name}" for n, name in enumerate(names)],
        "classes": [f"{n + 1} {kind}" for n, kind in enumerate(kinds)],
        "image_class_labels": [f"{n + 1} {n // 6 + 1}" for n in range(len(names))],
        "train_test_split": [f"{n + 1} {n % 2}" for n in range(len(names))],
        "bounding_boxes": [f"{n + 1} 60.0 27.0 325.0 304.0" for n in range(len(names))],
        "attributes/certainties": ["1 not visible", "2 guessing"],
        "attributes/image_attribute_labels": [f"{n + 1} 1 {n % 2} 3 27.7" for n in range(len(names))],
        "parts/parts": ["1 back", "2 beak"],
    }
    others = {f"{name}.txt": "\n".join(lines) for name, lines in texts.items()} | {"README": "words"}
    return build(
        {
            f"CUB_200_2011/images/{name}": Row(("test", "train")[n % 2], name[: name.index("/")])
            for n, name in enumerate(names)
        },
        {f"CUB_200_2011/{name}": text for name, text in others.items()}
        | {"attributes.txt": "1 has_bill_shape::curved"},
        top="CUB_200_2011",
    )


def oxford_pets() -> DataSet:
    """images/Abyssinian_1.jpg, the class in the file name, and trimaps of the same names."""
    kinds = ("Abyssinian", "american_bulldog", "Egyptian_Mau", "yorkshire_terrier")
    stems = [f"{kind}_{k}" for kind in kinds for k in (1, 2, 34, 100, 105)]
    head = ["#Image CLASS-ID SPECIES BREED ID", "#ID: 1:37 Class ids", "#SPECIES: 1:Cat 2:Dog"]
    lines = [f"{stem} {1 + n // 5} {1 + n // 5 % 2} {1 + n // 5 % 3}" for n, stem in enumerate(stems)]
    texts = {
        "list": [*head, *lines],
        "trainval": [*lines[::5], *lines[1::5], *lines[2::5]],
        "test": lines[3::5] + lines[4::5],
    }
    return build(
        {f"images/{stem}.jpg": Row(("train", "test")[n % 5 > 2], stem.rpartition("_")[0])
         for n, stem in enumerate(stems)},
        {
            **{f"annotations/{name}.txt": "\n".join(several) for name, several in texts.items()},
            **{f"annotations/xmls/{stem}.xml": "<annotation/>" for stem in stems},
            **masks(f"annotations/trimaps/{stem}.png" for stem in stems),
            **{f"annotations/trimaps/._{stem}.png": b"\0\5\x16\7" for stem in stems},
            "annotations/README": "words", "images/Abyssinian_100.mat": b"MATLAB",
        },
        choice={"label_pattern": r"(\w+)_\d+\.jpg$"},
    )  # fmt: skip


def imagenette() -> DataSet:
    """Synset folders, and a table of the same images with labels that are wrong on purpose."""
    synsets = ("n01440764", "n02102040", "n03000684")
    images = {
        f"imagenette2-160/{split}/{s}/{s}_{k + at}.JPEG": Row("valid" if split == "val" else split, s)
        for split, n, at in (("train", 6, 10026), ("val", 3, 9000)) for s in synsets for k in range(n)
    }  # fmt: skip
    short = [name.partition("/")[2] for name in images]
    noisy = [
        (name, *(synsets[(synsets.index(name.split("/")[1]) + (n % every == 0)) % 3] for every in (99, 9, 7, 3, 2)),
         name.startswith("val"))
        for n, name in enumerate(short)
    ]  # fmt: skip
    header = ("path", *(f"noisy_labels_{percent}" for percent in (0, 1, 5, 25, 50)), "is_valid")
    others = {
        "imagenette2-160/noisy_imagenette.csv": table(header, noisy),
        "imagenette2-160/.DS_Store": b"\0\0\0\1Bud1",
    }
    more = {"optional": frozenset({"is_valid"}), "choice": {"label": "none"}}
    return build(images, others, top="imagenette2-160", **more)


def _arrays(
    parts: Mapping[str, tuple[str, int]], arrays: Callable, labels: Callable, channels: int = 3, **more
) -> DataSet:
    """One .npz: `arrays` names the images and labels of each part."""
    content, truth, n = {}, {}, 0
    for part, (split, size) in parts.items():
        images, numbers = arrays(part)
        content[images] = np.stack([picture(n + k, channels) for k in range(size)])
        content[images] = content[images] if channels > 1 else content[images][..., 0]
        content[numbers] = labels(np.arange(n, n + size))
        for k, row in enumerate(content[numbers].tolist(), n):
            attributes = {f"labels_{at}": bool(value) for at, value in enumerate(row)} if len(row) > 1 else {}
            truth[k] = Row(split, None if attributes else str(row[0]), attributes)
        n += size
    file = BytesIO()
    np.savez(file, **content)
    return DataSet({"data.npz": file.getvalue()}, truth, top="data.npz", **more)


MED = {"train": ("train", 12), "val": ("valid", 5), "test": ("test", 6)}


def med_mnist() -> DataSet:
    """pathmnist.npz: train_images, train_labels (n, 1), val_images, .."""
    return _arrays(MED, lambda p: (f"{p}_images", f"{p}_labels"), lambda n: (n % 3).astype(np.uint8)[:, None])


def med_mnist_grey() -> DataSet:
    """pneumoniamnist.npz: images (n, h, w), two classes."""
    return _arrays(MED, lambda p: (f"{p}_images", f"{p}_labels"), lambda n: (n % 2).astype(np.uint8)[:, None], 1)


def med_mnist_of_many_labels() -> DataSet:
    """chestmnist.npz: fourteen labels of 0 and 1 an image, which are attributes and no class."""
    several = lambda n: (n[:, None] // (np.arange(14) + 1) % 2).astype(np.uint8)  # noqa: E731
    names = frozenset(f"labels_{k}" for k in range(14))
    return _arrays(MED, lambda p: (f"{p}_images", f"{p}_labels"), several, 1, optional=names)


def cifar10_arrays() -> DataSet:
    """x_train, y_train (n, 1), x_test, y_test, as Keras gives them."""
    parts = {"train": ("train", 14), "test": ("test", 6)}
    return _arrays(parts, lambda p: (f"x_{p}", f"y_{p}"), lambda n: (n % 4).astype(np.uint8)[:, None])


def cifar10_parquet() -> DataSet:
    """plain_text/train-00000-of-00001.parquet of the Hub: img as a struct of bytes and path, label as a ClassLabel."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = ["airplane", "automobile", "bird", "cat", "deer"]
    features = {"img": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    files: dict[str, bytes] = {"README.md": b"# words", ".gitattributes": b"*.parquet filter=lfs"}
    truth, n = {}, 0
    for split, size in (("train", 14), ("test", 6)):
        numbers = range(n, n + size)
        cells = [{"bytes": encoded(k), "path": None} for k in numbers]
        labels = pa.array([k % 4 for k in numbers], pa.int64())
        file = BytesIO()
        pq.write_table(pa.table({"img": cells, "label": labels}).replace_schema_metadata(metadata), file)
        files[f"plain_text/{split}-00000-of-00001.parquet"] = file.getvalue()
        truth |= {k: Row(split, names[k % 4]) for k in numbers}
        n += size
    return DataSet(files, truth)


def laion() -> DataSet:
    """00000.tar of jpg, txt and json, with 00000.parquet and 00000_stats.json next to it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files: dict[str, bytes] = {}
    for shard in range(2):
        rows, members = [], {}
        for k in range(8):
            key = f"{shard:05d}{k:04d}"
            row = {
                "caption": f"a drawing, the {k}th", "url": f"https://example.org/{key}.jpg", "key": key,
                "status": "success", "error_message": None, "width": 16, "height": (16, 24)[k % 2],
                "original_width": 640, "original_height": 480, "exif": "{}", "similarity": 0.3 + k / 100,
            }  # fmt: skip
            members[f"{key}.jpg"] = encoded(8 * shard + k, "jpg")
            members[f"{key}.txt"] = row["caption"].encode()
            members[f"{key}.json"] = json.dumps(row).encode()
            rows.append(row)
        file = BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), file)
        files |= {f"{shard:05d}.tar": tarred(members), f"{shard:05d}.parquet": file.getvalue()}
        files[f"{shard:05d}_stats.json"] = json.dumps({"count": 8, "successes": 8}).encode()
    return DataSet(files, {n: Row() for n in range(16)})


OF_IMAGE_FILES: list[Callable[[], DataSet]] = [
    kaggle_cats_and_dogs, kaggle_dogs_vs_cats, intel_scenes, ham10000, isic_2019, chexpert, mvtec_object, mvtec_all,
    stl10, cub_200, oxford_pets, imagenette, pascal_voc,
]  # fmt: skip
OF_ARRAYS_AND_TABLES: list[Callable[[], DataSet]] = [
    med_mnist, med_mnist_grey, med_mnist_of_many_labels, cifar10_arrays, cifar10_parquet, laion,
]  # fmt: skip
