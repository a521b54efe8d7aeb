"""Parquet, Arrow, saved datasets, WebDataset, tables beside pictures and NumPy arrays: what is made of each."""

from __future__ import annotations

import io
import json
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_sets import saved, tarred
from PIL import Image

from armoire import load_images
from armoire.errors import ArmoireError

N = 30
SMILES = [i % 3 == 0 for i in range(N)]
BREEDS = [("pug", "collie", "beagle")[i % 3] for i in range(N)]


def pixels(i: int) -> np.ndarray:
    return np.random.default_rng(i).integers(0, 256, (20, 20, 3), np.uint8)


def png(i: int) -> bytes:
    return saved(Image.fromarray(pixels(i))).getvalue()


def facts(images) -> dict[str, tuple]:
    """Class and smile of each picture, by its id."""
    classes = images.info.classes
    labels = [classes[k] if k >= 0 else None for k in images.labels]
    smiles = images.attribute("Smiling").tolist() if "Smiling" in images.attributes else [0] * len(images)
    return dict(zip(images.ids, zip(labels, smiles, strict=True), strict=True))


def expected(names: list[str]) -> dict[str, tuple]:
    return {name: (BREEDS[i], 1 if SMILES[i] else -1) for i, name in enumerate(names)}


def columns(**more) -> dict:
    return {
        "image": pa.array([{"bytes": png(i), "path": f"{i}.png"} for i in range(N)]),
        "breed": BREEDS,
        "Smiling": SMILES,
        "caption": [f"number {i}" for i in range(N)],
        **more,
    }


def test_parquet_as_hugging_face_writes_it(tmp_path, recorder):
    pq.write_table(pa.table(columns()), tmp_path / "dogs.parquet", row_group_size=7)
    images = load_images(tmp_path / "dogs.parquet", 16, progress=recorder)
    assert facts(images) == expected([f"{i}.png" for i in range(N)])
    assert images.info.classes == ("beagle", "collie", "pug")
    assert images.attributes == ["Smiling"]
    assert images.info.name == "dogs"
    assert images.reading.summary(N) == [
        f"{N} images of {N} files",
        "breed gives the classes; attributes: Smiling; not used: caption",
        "'breed' is the only column of words that repeat (--label-column)",
    ]
    plain = tmp_path / "folder"
    plain.mkdir()
    for i in range(N):
        (plain / f"{i}.png").write_bytes(png(i))
    by_id = {name: image.tobytes() for name, image in zip(images.ids, images.images, strict=True)}
    other = load_images(plain, 16)
    assert {name: image.tobytes() for name, image in zip(other.ids, other.images, strict=True)} == by_id
    assert dict(zip(other.ids, other.split_of, strict=True)) == dict(zip(images.ids, images.split_of, strict=True))


def test_a_store_is_built_once_and_again_when_the_file_changes(tmp_path, recorder):
    path = tmp_path / "dogs.parquet"
    pq.write_table(pa.table(columns()), path)
    first = load_images(path, 16)
    again = load_images(path, 16, progress=recorder)
    assert (again.store, recorder.advances) == (first.store, 0)
    pq.write_table(pa.table(columns(Smiling=[not smile for smile in SMILES])), path)
    changed = load_images(path, 16)
    assert (changed.attribute("Smiling") == -dict_of(first, changed)).all()
    assert load_images(first.info.source, 16).info.fingerprint == changed.info.fingerprint


def dict_of(one, two) -> np.ndarray:
    smiles = dict(zip(one.ids, one.attribute("Smiling"), strict=True))
    return np.array([smiles[name] for name in two.ids])


def test_splits_and_class_names_of_a_saved_data_set(tmp_path):
    """The layout of `DatasetDict.save_to_disk`: Arrow streams, features beside them."""
    told = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    schema = pa.schema(
        [("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), ("label", pa.int64())],
        metadata={"huggingface": json.dumps(told)},
    )
    for split, rows in (("train", range(20)), ("test", range(20, N))):
        folder = tmp_path / "pets" / split
        folder.mkdir(parents=True)
        rows = [{"image": {"bytes": png(i), "path": None}, "label": i % 2 if i else -1} for i in rows]
        table = pa.Table.from_pylist(rows, schema)
        with pa.OSFile(str(folder / "data-00000-of-00001.arrow"), "wb") as file, pa.ipc.new_stream(file, schema) as out:
            out.write_table(table, 6)
        (folder / "state.json").write_text("{}")
        (folder / "cache-123.arrow").write_bytes(b"what datasets keeps for itself")
    (tmp_path / "pets" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    images = load_images(tmp_path / "pets", 16)
    assert images.splits == {"train": 20, "test": 10}
    assert images.info.classes == ("cat", "dog")
    assert images.ids[1] == "train/data-00000-of-00001.arrow#1"
    assert images.labels.tolist() == [-1, *(i % 2 for i in range(1, N))]


def test_parquet_of_paths(tmp_path):
    folder = tmp_path / "data"
    (folder / "pictures").mkdir(parents=True)
    for i in range(N):
        (folder / "pictures" / f"{i}.dat").write_bytes(png(i))
    (tmp_path / "secret.dat").write_bytes(png(99))
    names = [f"pictures/{i}.dat" for i in range(N)]
    names[3:6] = ["../secret.dat", str(tmp_path / "secret.dat"), "pictures/none.dat"]
    absolute = [*names[:6], str(folder / names[6]), *names[7:]]  # the id is what is below the table's folder
    table = {"file_name": absolute, "breed": BREEDS, "Smiling": SMILES}
    pq.write_table(pa.table(table), folder / "facts.parquet")
    images = load_images(folder / "facts.parquet", 16)
    left = {name: found for i, (name, found) in enumerate(expected(names).items()) if i not in (3, 4, 5)}
    assert facts(images) == left
    rejected = (images.store / "rejected.csv").read_text()
    assert rejected.count("its file is outside of") == 2
    assert "pictures/none.dat,cannot be opened: No such file" in rejected


@pytest.mark.parametrize("table", ["metadata.parquet", "photos/metadata.parquet"])
def test_paths_relative_to_a_folder_of_images_count_each_file_once(tmp_path, table):
    (tmp_path / "photos").mkdir()
    for i in range(5):
        (tmp_path / "photos" / f"{i}.png").write_bytes(png(i))
    (tmp_path / "README.md").write_text("photos")
    pq.write_table(pa.table({"file_name": [f"{i}.png" for i in range(4)], "label": [*"abab"]}), tmp_path / table)
    images = load_images(tmp_path, 16)
    assert sorted(images.ids) == [f"photos/{i}.png" for i in range(4)]
    assert images.info.classes == ("a", "b")
    assert {one.name for one in images.reading.ignored} == {"photos/4.png", "README.md"}


def test_one_bad_cell_or_row_group_stops_nothing(tmp_path):
    cells = [png(i) for i in range(N)]
    cells[4], cells[5], cells[6] = b"broken", None, b""
    pq.write_table(pa.table({"image": cells}), tmp_path / "x.parquet", row_group_size=10, compression="none")
    images = load_images(tmp_path / "x.parquet", 16)
    assert len(images) == N - 3
    content = bytearray((tmp_path / "x.parquet").read_bytes())
    at = content.index(cells[12])
    content[at - 40 : at] = b"\xff" * 40  # the head of the second group's page
    (tmp_path / "y.parquet").write_bytes(content)
    assert {"x.parquet#25"} <= set(images.ids)
    damaged = load_images(tmp_path / "y.parquet", 16)
    assert 17 <= len(damaged) < N - 3
    assert "y.parquet#25" in damaged.ids


def test_a_web_dataset(tmp_path, recorder):
    for shard, rows in enumerate((range(15), range(15, N))):
        with tarfile.open(tmp_path / f"dogs-{shard:06d}.tar", "w") as archive:
            for i in rows:
                told = {"Smiling": SMILES[i], "height": 20, "caption": f"number {i}"}
                files = {"png": png(i), "cls": BREEDS[i].encode(), "json": json.dumps(told).encode(), "txt": b"a dog"}
                for ending, content in files.items():
                    add(archive, f"./{i:06d}.{ending}", content)
            add(archive, "lonely.json", b"{}")
            add(archive, f"broken{shard}.png", b"no picture")
            link = tarfile.TarInfo(f"link{shard}.png")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
    images = load_images(tmp_path, 16, progress=recorder)
    assert facts(images) == expected([f"{i:06d}.png" for i in range(N)])
    assert images.info.rejected == 2
    one = load_images(tmp_path / "dogs-000000.tar", 16)
    assert len(one) == 15


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def test_a_tar_of_a_folder_and_one_that_is_cut_off(tmp_path, recorder):
    path = tmp_path / "photos.tar"
    path.write_bytes(tarred({f"photos/{BREEDS[i]}/{i}.png": png(i) for i in range(N)}))
    images = load_images(path, 16)
    assert images.info.classes == ("beagle", "collie", "pug")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 + 100])
    half = load_images(path, 16, progress=recorder)
    assert 10 <= len(half) < N
    path.write_bytes(b"no tar at all" * 100)
    with pytest.raises(ArmoireError, match="is not a tar archive"):
        load_images(path, 16)
    (tmp_path / "x.tar.gz").write_bytes(b"")
    with pytest.raises(ArmoireError, match=r"unpack it to a \.tar"):
        load_images(tmp_path / "x.tar.gz", 16)


def test_a_table_that_changes_is_read_again_and_folders_speak_where_it_is_silent(tmp_path):
    for i in range(N):
        (tmp_path / BREEDS[i]).mkdir(exist_ok=True)
        (tmp_path / BREEDS[i] / f"{i}.png").write_bytes(png(i))
    table = tmp_path / "facts.csv"
    table.write_text("\n".join(["file,Smiling", *(f"{i}.png,{int(SMILES[i])}" for i in range(10))]))
    images = load_images(tmp_path, 16)
    assert images.info.classes == ("beagle", "collie", "pug")
    assert (images.attribute("Smiling") != 0).sum() == 10
    table.write_text(
        "\n".join(
            ["file,Smiling,split", *(f"{i}.png,{int(SMILES[i])},{'test' if i < 4 else 'train'}" for i in range(N))]
        )
    )
    images = load_images(tmp_path, 16)
    assert (images.attribute("Smiling") != 0).all()
    assert images.splits == {"train": N - 4, "test": 4}
    table.write_bytes(b"\xff\xfe not text")
    assert load_images(tmp_path, 16).attributes == []


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": np.zeros((3, 3))}, "no array called images"),
        ({"images": np.zeros((3, 20, 20, 2), np.uint8)}, r"an array of \(3, 20, 20, 2\)"),
        ({"images": np.full((5, 20, 20), 7.5)}, "from 7.5 to 7.5"),
        ({"images": np.full((5, 20, 20), np.nan)}, "not finite"),
        ({"images": np.full((5, 20, 20), -1)}, "from -1 to -1"),
        ({"images": np.array([None, {}, []], dtype=object)}, "Python objects"),
    ],
)
def test_arrays_that_are_no_images(tmp_path, arrays, words):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(ArmoireError, match=words):
        load_images(tmp_path / "x.npz", 20)


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.parquet", "x.arrow"])
@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"PK\x03\x04 and so on", b"nonsense" * 100])
def test_files_that_are_not_what_their_names_say(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ArmoireError, match="cannot be read as"):
        load_images(tmp_path / name, 20)


def test_classes_of_numbers_are_in_their_order(tmp_path):
    table = {"image": [png(i) for i in range(N)], "label": [i % 12 for i in range(N)]}
    pq.write_table(pa.table(table), tmp_path / "x.parquet")
    assert load_images(tmp_path / "x.parquet", 16).info.classes == tuple(map(str, range(12)))


@pytest.mark.parametrize("kind", ["parquet", "arrow", "npz", "tar"])
def test_damaged_files_are_told_in_one_sentence_or_read_as_far_as_they_go(tmp_path, kind):
    """Bytes changed, put in and cut off at random; more of them were tried by hand."""
    path = tmp_path / f"x.{kind}"
    table = pa.table({name: values[:8] for name, values in columns().items()})
    if kind == "parquet":
        pq.write_table(table, path, row_group_size=3)
    elif kind == "arrow":
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as out:
            out.write_table(table)
    elif kind == "npz":
        np.savez(path, images=np.stack([pixels(i) for i in range(8)]), label=BREEDS[:8])
    else:
        files = {f"{i}.png": png(i) for i in range(8)} | {f"{i}.cls": BREEDS[i].encode() for i in range(8)}
        path.write_bytes(tarred(files))
    good, random = path.read_bytes(), np.random.default_rng(0)
    outcomes = set()
    for _ in range(60):
        damaged = bytearray(good)
        ends = random.integers(0, min(800, len(good)), 2)
        for at in (random.integers(len(good)), ends[0], len(good) - 1 - ends[1]):
            damaged[at : at + random.integers(0, 4)] = random.bytes(random.integers(0, 4))
        if random.random() < 0.2:
            del damaged[random.integers(1, len(damaged)) :]
        path.write_bytes(damaged)
        try:
            outcomes.add(len(load_images(path, 16)) > 1)
        except ArmoireError as error:
            outcomes.add(False)
            assert "\n" not in str(error)
    assert False in outcomes


def test_lists_of_labels_are_attributes_and_no_column_vanishes(tmp_path, recorder):
    """Several labels an image, by word and by number; captions and boxes are ignored by name."""
    told = {
        "info": {"features": {"things": {"_type": "List", "feature": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    }
    kinds = [["sun", "sea"], ["sea"], [], None]
    columns = {
        "image": [png(i) for i in range(N)],
        "tags": [kinds[i % 4] for i in range(N)],
        "things": [[0, 1] if i % 2 else [1] for i in range(N)],
        "captions": [[f"picture {i}", "another"] for i in range(N)],
        "boxes": [[1.0, 2.0]] * N,
    }
    table = pa.table(columns).replace_schema_metadata({"huggingface": json.dumps(told)})
    pq.write_table(table, tmp_path / "many.parquet")
    images = load_images(tmp_path / "many.parquet", 16, progress=recorder)
    rows = [int(name.partition("#")[2]) for name in images.ids]
    assert set(images.attributes) == {"sun", "sea", "cat", "dog"}
    assert images.attribute("sun").tolist() == [(1, -1, -1, 0)[row % 4] for row in rows]
    assert images.attribute("cat").tolist() == [(-1, 1)[row % 2] for row in rows]
    assert any("'tags'" in note and "column of yes and no" in note for note in recorder.notes)
    ignored = {role.column: role.reason for role in images.reading.roles if role.role == "ignored"}
    assert "lists" in ignored["captions"]
    assert "list<" in ignored["boxes"]


def test_lists_of_one_label_are_classes(tmp_path):
    columns = {"image": [png(i) for i in range(N)], "labels": [[("cat", "dog")[i % 2]] for i in range(N)]}
    pq.write_table(pa.table(columns), tmp_path / "one.parquet")
    images = load_images(tmp_path / "one.parquet", 16)
    assert images.info.classes == ("cat", "dog")
    assert images.labels.tolist() == [int(name.partition("#")[2]) % 2 for name in images.ids]
