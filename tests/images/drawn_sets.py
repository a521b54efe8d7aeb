"""What can be drawn of a data set: its layout, names, tables, values; and the files and the truth that follow."""

from __future__ import annotations

import csv
import io
import json
import random
import unicodedata
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
from data_sets import DataSet, Row, encoded, picture, tarred, zipped

SPLITS = (("train", "test"), ("train", "val", "test"), ("Training", "Testing"), ("TRAIN", "VALID", "TEST"))
KNOWN_LABELS = ("label", "class", "target", "category", "Label")
FORMS: dict[str, tuple[object, object]] = {
    "0/1": (0, 1), "0.0/1.0": (0.0, 1.0), "-1/1": (-1, 1), "no/yes": ("no", "yes"), "False/True": (False, True),
}  # fmt: skip
JUNK: dict[str, bytes] = {
    "Thumbs.db": b"\xd0\xcf\x11\xe0thumbs", ".DS_Store": b"\0\0\0\1Bud1", "__MACOSX/._0.png": b"\0\5\x16\7",
    "LICENSE": b"words", "README.md": b"# words", "checksums.md5": b"0123  0.png", "desktop.ini": b"[x]",
    "notes.txt": b"words", "loss.log": b"1 2 3", "_SUCCESS": b"", "dataset_info.json": b"{}",
}  # fmt: skip
EXTRA = {
    "caption": lambda i: f'a drawing, "the {i}th"', "width": lambda i: (640, 480)[i % 2], "score": lambda i: i / 7,
    "site": lambda i: ("left", "right", "back")[i % 3], "age": lambda i: 40.0 + i % 5,
}  # fmt: skip
MEANING = {"val": "valid", "validation": "valid", "data": None, "": None}


class Drawn(SimpleNamespace):
    """One data set, by a value of each of the options; the first of each is the plainest."""

    options: ClassVar[Mapping[str, Sequence[Any]]]

    def __init__(self, **values: Any) -> None:
        super().__init__(**{name: several[0] for name, several in self.options.items()} | values)
        self.settle()

    def __repr__(self) -> str:
        odd = (f"{name}={getattr(self, name)!r}" for name, v in self.options.items() if getattr(self, name) != v[0])
        return f"{type(self).__name__}({', '.join(odd)})"

    def settle(self) -> None:
        """Give up what would leave the meaning open."""

    def data(self) -> DataSet:
        raise NotImplementedError


class Files(Drawn):
    """A folder or archive of image files, with or without tables."""

    options: ClassVar[Mapping[str, Sequence[Any]]] = {
        "more": (0, 1, 2, 3),
        "container": ("folder", "zip", "backslashes", "tar"),
        "classes": (
            ("cat", "dog"), ("0", "1", "2"), ("고양이", "강아지"), ("EU", "NA", "AS"), ("car", "train"),
            ("New York", "São Paulo"),
        ),
        "class_in": ("none", "folder", "table"),
        "split_in": ("none", "folder", "table"),
        "words": (*SPLITS, ("training_set", "test_set"), ("seg_train", "seg_test"), ("train_images", "test_images")),
        "order": ("split/class", "class/split", "doubled"),
        "top": ("", "pictures", "a b/images"),
        "deeper": (False, True),
        "name": (
            "{k}.png", "{k:04d}.png", "IMG_{k}.JPG", "a b {k}.png", "shot.{k:04d}.png", "사진{k}.png", "{k}.jfif",
            "{k:05d}", "no.{k}.Jpeg", "x-{k}.TIF", "#{k},1.png",
        ),
        "restart": (False, True),
        "decomposed": ("never", "always", "half"),
        "mode": ("RGB", "RGBA", "L", "16"),
        "table": ("none", "comma", "semicolon", "tab", "jsonl"),
        "style": ("plain", "spaced", "quoted"),
        "two_tables": (False, True),
        "header": (True, True, True, False),
        "index": (False, True),
        "encoding": ("utf-8", "utf-8-sig", "utf-16", "cp949"),
        "newline": ("\n", "\r\n"),
        "shuffled": (0, 1, 2, 3, 4),
        "name_form": (
            "relative", "base", "stem", "absolute", "windows", "backslash", "above", "case", "dot", "below",
        ),
        "name_column": ("file_name", "image", "path", "img", "Image Index", "image_id", "filename", "id", "photo"),
        "label_column": (*KNOWN_LABELS, "breed", "dx"),
        "label_form": ("word", "int", "float"),
        "split_column": ("split", "partition", "subset", "set", "Split"),
        "attributes": ({}, *({"Smiling": form} for form in FORMS), {"Smiling": "0/1", "has hat": "False/True"}),
        "missing": (False, True),
        "extra": ((), *((name,) for name in EXTRA), ("caption", "width")),
        "junk": ((), *((name,) for name in JUNK), ("sample_submission.csv",), ("LICENSE", "Thumbs.db")),
    }  # fmt: skip

    def settle(self) -> None:
        headless = not self.header and self.table not in ("none", "jsonl")
        if self.table == "none" or headless:
            self.attributes, self.extra = {}, ()
            self.split_in = "none" if self.split_in == "table" else self.split_in
        if self.table == "none" and self.class_in == "table":
            self.class_in = "none"
        if headless:
            self.class_in, self.label_form, self.index = "table", "word", False
            self.name_form = "relative" if self.name_form == "stem" else self.name_form
        if self.label_column not in KNOWN_LABELS:
            self.label_form = "word"
            self.classes = self.classes if self.class_in != "table" or "0" not in self.classes else ("cat", "dog")
        if self.split_in == "table" and self.words not in SPLITS:
            self.words = SPLITS[0]
        if "{k:05d}" in self.name or ".png" not in self.name:
            self.mode = "RGB"

    @property
    def numbers(self) -> range:
        return range(6 * len(self.classes) + self.more)

    def kind(self, i: int) -> int:
        return i % len(self.classes)

    def word(self, i: int) -> str:
        """Of six images of a class four are of the first split."""
        at = i // len(self.classes) % 6
        return self.words[0] if at < 4 else self.words[at - 6 if len(self.words) > 2 else 1]

    def unknown(self, i: int) -> bool:
        return self.missing and i % 7 == 5

    def path(self, i: int) -> str:
        label = self.classes[self.kind(i)] if self.class_in == "folder" else ""
        split = self.word(i) if self.split_in == "folder" else ""
        parts = {
            "split/class": [split, label], "class/split": [label, split], "doubled": [split, split, label],
        }[self.order]  # fmt: skip
        again = self.restart and label and self.name_form not in ("base", "stem")
        name = self.name.format(k=1 + (i // len(self.classes) if again else i))
        below = [f"p{i % 3}"] if self.deeper and label else []
        path = "/".join(part for part in (self.top, *parts, *below, name) if part)
        apart = self.decomposed == "always" or (self.decomposed == "half" and i % 3 == 1)
        return unicodedata.normalize("NFD" if apart else "NFC", path)

    def row(self, i: int) -> Row:
        label = (
            str(self.kind(i)) if self.class_in == "table" and self.label_form != "word" else self.classes[self.kind(i)]
        )
        gone = self.class_in == "none" or (self.class_in == "table" and self.unknown(i))
        meaning = ("train", "test") if len(self.words) == 2 else ("train", "valid", "test")
        split = meaning[self.words.index(self.word(i))] if self.split_in != "none" else None
        values = {name: None if self.unknown(i) else bool((i + at) % 3) for at, name in enumerate(self.attributes)}
        return Row(split, None if gone else label, values)

    def name_in_table(self, i: int) -> str:
        path = self.path(i)
        pure = PurePosixPath(unicodedata.normalize("NFC", path) if self.encoding == "cp949" else path)
        return {
            "relative": str(pure), "base": pure.name, "stem": pure.stem if pure.suffix else pure.name,
            "absolute": f"/content/drive/My Drive/{pure}", "windows": f"C:\\Users\\me\\{pure}".replace("/", "\\"),
            "backslash": str(pure).replace("/", "\\"), "above": f"data/{pure}", "case": str(pure).swapcase(),
            "dot": f"./{pure}", "below": str(pure).removeprefix(f"{self.top}/"),
        }[self.name_form]  # fmt: skip

    def columns(self) -> dict[str, list[object]]:
        """The table's columns in a drawn order; None in a cell that is missing."""
        form = {"word": lambda i: self.classes[self.kind(i)], "int": self.kind, "float": lambda i: float(self.kind(i))}
        cells: dict[str, Any] = {self.name_column: self.name_in_table}
        if self.class_in == "table":
            cells[self.label_column] = lambda i: None if self.unknown(i) else form[self.label_form](i)
        if self.split_in == "table":
            cells[self.split_column] = self.word
        for at, (name, how) in enumerate(self.attributes.items()):
            cells[name] = lambda i, at=at, how=how: None if self.unknown(i) else FORMS[how][bool((i + at) % 3)]
        cells |= {name: EXTRA[name] for name in self.extra}
        names = list(cells)
        random.Random(self.shuffled).shuffle(names if self.shuffled else [])
        return {name: [cells[name](i) for i in self.numbers] for name in names}

    def tables(self) -> dict[str, bytes]:
        columns = self.columns()
        last = list(columns)[-1]
        if not (self.two_tables and self.header and len(columns) > 2) or last == self.name_column:
            return dict([self.table_of(columns, "labels", self.index)])
        first = {name: cells for name, cells in columns.items() if name != last}
        second = {self.name_column: columns[self.name_column], last: columns[last]}
        return dict([self.table_of(first, "labels", self.index), self.table_of(second, "more", False)])

    def table_of(self, columns: dict[str, list[object]], name: str, index: bool) -> tuple[str, bytes]:
        rows = list(zip(*columns.values(), strict=True))
        random.Random(self.shuffled).shuffle(rows if self.shuffled else [])
        if self.table == "jsonl":
            lines = [json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False) for row in rows]
            return f"{name}.jsonl", self.newline.join(lines).encode()
        space = " " if self.style == "spaced" and not index else ""
        rows = [[cell if at == 0 or cell is None else f"{space}{cell}" for at, cell in enumerate(row)] for row in rows]
        head = [[cell if at == 0 else f"{space}{cell}" for at, cell in enumerate(columns)]] if self.header else []
        if index:
            head, rows = [["", *head[0]]], [[at, *row] for at, row in enumerate(rows)]
        out, quoting = io.StringIO(), csv.QUOTE_ALL if self.style == "quoted" else csv.QUOTE_MINIMAL
        delimiter = {"comma": ",", "semicolon": ";", "tab": "\t"}[self.table]
        csv.writer(out, delimiter=delimiter, lineterminator=self.newline, quoting=quoting).writerows([*head, *rows])
        name = f"{name}.tsv" if self.table == "tab" else f"{name}.csv"
        try:
            return name, out.getvalue().encode(self.encoding)
        except UnicodeEncodeError:
            return name, out.getvalue().encode()

    def data(self) -> DataSet:
        truth = {i: self.row(i) for i in self.numbers}
        files = {self.path(i): encoded(i, PurePosixPath(self.path(i)).suffix, self.mode) for i in self.numbers}
        at = f"{self.top}/" if self.top and self.name_form == "below" else ""
        tables = {} if self.table == "none" else self.tables()
        files |= {f"{at}{name}": content for name, content in tables.items()}
        files |= {name: JUNK[name] for name in self.junk if name in JUNK}
        if "sample_submission.csv" in self.junk:
            lines = [f"{self.path(i)},0" for i in self.numbers if truth[i].split in ("test", None)]
            files["sample_submission.csv"] = "\n".join(["id,label", *lines]).encode()
        names = {i: self.path(i) for i in self.numbers}
        if self.container == "folder":
            return DataSet(files, truth, names=names)
        pack = {"zip": zipped, "backslashes": partial(zipped, separator="\\"), "tar": tarred}[self.container]
        name = "data.tar" if self.container == "tar" else "data.zip"
        return DataSet({name: pack(files)}, truth, names=names, top=name)


class Samples(Drawn):
    """WebDataset tars."""

    options: ClassVar[Mapping[str, Sequence[Any]]] = {
        "shards": (("00000",), ("00000", "00001"), ("train-0000", "test-0000"), ("train-0000", "val-0000")),
        "ending": ("png", "jpg", "JPEG", "image.png", "rgb.jpg"),
        "label": ("none", "cls number", "cls word", "json number", "json word"),
        "attribute": ("none", "0/1", "False/True", "0.0/1.0"),
        "key": ("{k:06d}", "a/{k:06d}", "{k}", "n01440764_{k}"),
        "caption": (False, True),
        "junk": ((), ("00000.idx",), ("00000_stats.json",), ("README.md", "LICENSE")),
    }

    def data(self) -> DataSet:
        files: dict[str, bytes] = {name: JUNK.get(name, b"{}") for name in self.junk}
        truth: dict[int, Row] = {}
        for at, shard in enumerate(self.shards):
            members: dict[str, bytes] = {}
            for i in range(9 * at, 9 * at + 9):
                members |= self.members(i)
                split = shard.partition("-")[0] if "-" in shard else ""
                word = None if self.label == "none" else "cde"[i % 3] if "word" in self.label else str(i % 3)
                attributes = {} if self.attribute == "none" else {"Smiling": bool(i % 2)}
                truth[i] = Row(MEANING.get(split, split), word, attributes)
            files[f"{shard}.tar"] = tarred(members)
        return DataSet(files, truth)

    def members(self, i: int) -> dict[str, bytes]:
        """The files of one sample."""
        key, label = self.key.format(k=i), "cde"[i % 3] if "word" in self.label else i % 3
        values = {} if self.attribute == "none" else {"Smiling": FORMS[self.attribute][i % 2]}
        values |= {"label": label} if self.label.startswith("json") else {}
        found = {f"{key}.{self.ending}": encoded(i, self.ending.rpartition(".")[2])}
        found |= {f"{key}.json": json.dumps(values | {"width": 16, "note": f"the {i}th"}).encode()} if values else {}
        found |= {f"{key}.cls": str(label).encode()} if self.label.startswith("cls") else {}
        return found | ({f"{key}.txt": f"the {i}th".encode()} if self.caption else {})


class Tables(Drawn):
    """Parquet or Arrow files."""

    options: ClassVar[Mapping[str, Sequence[Any]]] = {
        "kind": ("parquet", "arrow", "stream"),
        "parts": (("data",), ("train-00000-of-00001", "test-00000-of-00001"), ("data/train-0", "data/validation-0")),
        "cell": ("bytes", "struct", "path", "backslash"),
        "image_column": ("image", "img", "photo", "picture"),
        "label": ("none", "word", "int", "ClassLabel", "dictionary"),
        "label_column": ("label", "category", "fine_label"),
        "split": ("file", "column"),
        "attribute": ("none", *FORMS),
        "extra": ((), ("caption",), ("width",), ("__index_level_0__",), ("mask",)),
        "junk": ((), ("README.md",), ("LICENSE",), ("_SUCCESS",), ("dataset_info.json",), ("Thumbs.db", ".DS_Store")),
    }

    def data(self) -> DataSet:
        ending = "parquet" if self.kind == "parquet" else "arrow"
        files, truth = {name: JUNK[name] for name in self.junk}, {}
        for at, part in enumerate(self.parts):
            numbers = range(12 * at, 12 * at + 12)
            files |= {f"{part}.{ending}": self.written(numbers)}
            files |= {f"images/{i}.png": encoded(i) for i in numbers if self.cell in ("path", "backslash")}
            of_file = part.rpartition("/")[2].partition("-")[0]
            for i in numbers:
                split = ("train", "train", "test")[i // 3 % 3] if self.split == "column" else of_file
                label = None if self.label == "none" else str(i % 3) if self.label == "int" else "cde"[i % 3]
                attributes = {} if self.attribute == "none" else {"Smiling": bool(i % 2)}
                truth[i] = Row(MEANING.get(split, split), label, attributes)
        alone = len(self.parts) == 1 and not self.junk
        return DataSet(files, truth, top=f"{self.parts[0]}.{ending}" if alone else "")

    def written(self, numbers: range) -> bytes:
        import pyarrow as pa
        import pyarrow.parquet as pq

        values = {
            "bytes": encoded, "struct": lambda i: {"bytes": encoded(i), "path": f"{i}.png"},
            "path": lambda i: f"images/{i}.png", "backslash": lambda i: f"images\\{i}.png",
            "mask": lambda i: encoded(900 + i), "__index_level_0__": int, **EXTRA,
        }  # fmt: skip
        columns: dict[str, Any] = {self.image_column: [values[self.cell](i) for i in numbers]}
        metadata = None
        if self.label != "none":
            words = self.label in ("word", "dictionary")
            labels = pa.array(["cde"[i % 3] if words else i % 3 for i in numbers])
            columns[self.label_column] = labels.dictionary_encode() if self.label == "dictionary" else labels
            features = {self.label_column: {"names": list("cde"), "_type": "ClassLabel"}}
            named = {"huggingface": json.dumps({"info": {"features": features}})}
            metadata = named if self.label == "ClassLabel" else None
        if self.attribute != "none":
            columns["Smiling"] = [FORMS[self.attribute][i % 2] for i in numbers]
        if self.split == "column":
            columns["split"] = [("train", "train", "test")[i // 3 % 3] for i in numbers]
        table = pa.table(columns | {name: [values[name](i) for i in numbers] for name in self.extra})
        table, out = table.replace_schema_metadata(metadata), io.BytesIO()
        if self.kind == "parquet":
            pq.write_table(table, out)
        else:
            with (pa.ipc.new_file if self.kind == "arrow" else pa.ipc.new_stream)(out, table.schema) as writer:
                writer.write_table(table)
        return out.getvalue()


VALUES = {
    "uint8": lambda p: p,
    "float 0 to 1": lambda p: p.astype(np.float32) / 255,
    "float a rounding above 1": lambda p: np.where(p == p.max(), 1.0000001, p / 255).astype(np.float32),
    "float 0 to 255": lambda p: p.astype(np.float64),
    "float -1 to 1": lambda p: p.astype(np.float32) / 127.5 - 1,
    "int64": lambda p: p.astype(np.int64),
    "int16": lambda p: p.astype(np.int16),
    "uint16": lambda p: p.astype(np.uint16) * 257,
    "big endian": lambda p: p.astype(">u2"),
    "bool": lambda p: p > 127,
    "uint8 0 1": lambda p: (p > 127).astype(np.uint8),
    "int64 0 1": lambda p: (p > 127).astype(np.int64),
    "float 0 or 1": lambda p: (p > 127).astype(np.float64),
}
AXES = {"n h w": lambda p: p[..., 0], "n c h w": lambda p: p.transpose(0, 3, 1, 2)}
NUMBERS = {
    "int": lambda k: k, "column": lambda k: k[:, None], "float": lambda k: k.astype(float),
    "one-hot": lambda k: np.eye(3)[k], "word": lambda k: np.array(list("cde"))[k], "short": lambda k: k[:-1],
    "bytes": lambda k: np.array(list("cde"), "S")[k], "object": lambda k: np.array(list("cde"), object)[k],
    "from one": lambda k: k + 1,
}  # fmt: skip


class Arrays(Drawn):
    """A .npz file, or a .npy file of images alone."""

    options: ClassVar[Mapping[str, Sequence[Any]]] = {
        "kind": ("npz", "npy"),
        "keys": (
            (("images", "labels", ""),),
            (("x_train", "y_train", "train"), ("x_test", "y_test", "test")),
            (("train_images", "train_labels", "train"), ("val_images", "val_labels", "val")),
            (("arr_0", "arr_1", ""),), (("X", "y", ""),), (("data", "target", ""),),
        ),
        "values": tuple(VALUES),
        "axes": ("n h w c", "n h w", "n h w 1", "n c h w"),
        "labels": ("none", *NUMBERS),
        "named": (False, True),
        "attribute": (False, True),
        "statistics": (False, True),
    }  # fmt: skip

    def settle(self) -> None:
        if self.kind == "npy":
            self.keys, self.labels, self.attribute = self.keys[:1], "none", False
        if self.labels in ("none", "word", "bytes", "object"):
            self.named = False

    def data(self) -> DataSet:
        truth: dict[int, Row] = {}
        content: dict[str, np.ndarray] = {"class_names": np.array(list("cde"))} if self.named else {}
        two = self.values == "bool" or "0 1" in self.values or "0 or 1" in self.values
        for at, (images, labels, split) in enumerate(self.keys):
            numbers = np.arange(12 * at, 12 * at + 12)
            channels = 1 if self.axes in ("n h w", "n h w 1") else 3
            pixels = np.stack([picture(int(i), channels, two) for i in numbers])
            content[images] = VALUES[self.values](AXES.get(self.axes, lambda p: p)(pixels))
            content |= {} if self.labels == "none" else {labels: NUMBERS[self.labels](numbers % 3)}
            content |= {f"Smiling_{split}".rstrip("_"): numbers % 2} if self.attribute else {}
            truth |= {i: self.row(i, split) for i in numbers.tolist()}
        content |= {"mean": np.zeros(3), "ids": np.arange(99)} if self.statistics else {}
        out = io.BytesIO()
        np.save(out, content[self.keys[0][0]]) if self.kind == "npy" else np.savez(out, **content)
        return DataSet({f"data.{self.kind}": out.getvalue()}, truth, two_levels=two, top=f"data.{self.kind}")

    def row(self, i: int, split: str) -> Row:
        words = self.named or self.labels in ("word", "bytes", "object")
        label = "cde"[i % 3] if words else str(i % 3 + (self.labels == "from one"))
        split = "" if self.kind == "npy" else split
        attributes = {"Smiling": bool(i % 2)} if self.attribute else {}
        return Row(MEANING.get(split, split), None if self.labels == "none" else label, attributes)
