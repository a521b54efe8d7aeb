"""Data sets of the Hub: which files are taken, what is made of them, and that they are there once and whole."""

from __future__ import annotations

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_stand_in import Repository
from PIL import Image

from armoire import load_images
from armoire.errors import ArmoireError
from armoire.hub.data import parse_data

N = 30


def png(i: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(i).integers(0, 256, (16, 16, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def shard(rows: range) -> bytes:
    """As the Hub's own conversion writes it."""
    told = {
        "info": {"features": {"image": {"_type": "Image"}, "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}
    }
    cells = [{"bytes": png(i), "path": f"{i}.png"} for i in rows]
    table = pa.table({"image": cells, "label": [i % 2 for i in rows]}).replace_schema_metadata(
        {"huggingface": json.dumps(told)}
    )
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


TRAIN, TEST = shard(range(20)), shard(range(20, N))


@pytest.fixture
def repository(hub) -> Repository:
    made = hub.repositories["datasets/me/pets"] = Repository()
    made.commit(
        {"README.md": b"# Pets", "data/train-00000-of-00001.parquet": TRAIN, "data/test-00000-of-00001.parquet": TEST}
    )
    return made


def test_parquet_files_with_splits_and_classes(hub, repository, cache):
    images = load_images("hf:me/pets", 16)
    assert images.splits == {"train": 20, "test": 10}
    assert images.info.classes == ("cat", "dog")
    assert images.ids[:2] == ["0.png", "1.png"]
    assert images.info.name == "pets"
    assert not hub.asked("README.md")
    # The very commit is what is remembered, so that it is the same for ever and needs no network.
    assert images.info.source == f"hf:me/pets@{repository.commits[-1][0]}"
    asked = len(hub.requests)
    again = load_images(images.info.source, 16)
    assert again.info.fingerprint == images.info.fingerprint
    assert len(hub.requests) == asked


def test_without_a_network_the_last_commit_serves(hub, repository, recorder):
    images = load_images("hf:me/pets", 16)
    hub.fails("", 503)
    again = load_images("hf:me/pets", 16, progress=recorder)
    assert again.info.fingerprint == images.info.fingerprint
    assert any("downloaded before" in note for note in recorder.notes)


def test_a_new_commit_is_another_set(hub, repository):
    before = load_images("hf:me/pets", 16)
    repository.commit({"data/train.parquet": TRAIN})
    after = load_images("hf:me/pets", 16)
    assert len(before) == N
    assert len(after) == 20


def test_what_the_hub_has_converted(hub):
    made = hub.repositories["datasets/me/pets"] = Repository()
    made.commit({"pets.py": b"a script that nobody runs", "pictures.zip": b"PK"})
    made.branch("refs/convert/parquet", {"default/train/0000.parquet": TRAIN, "default/test/0000.parquet": TEST})
    images = load_images("hf:me/pets", 16)
    assert images.splits == {"train": 20, "test": 10}
    assert not hub.asked("pets.py")


def test_pictures_as_they_lie(hub):
    made = hub.repositories["datasets/me/pets"] = Repository()
    files = {f"train/{i}.png": png(i) for i in range(N)}
    rows = [json.dumps({"file_name": f"{i}.png", "Smiling": i % 3 == 0}) for i in range(N)]
    made.commit(files | {"train/metadata.jsonl": "\n".join(rows).encode(), ".gitattributes": b"", "pets.py": b""})
    images = load_images("hf:me/pets", 16)
    assert len(images) == N
    assert images.attributes == ["Smiling"]
    assert not hub.asked("pets.py")


def test_one_of_several(hub):
    made = hub.repositories["datasets/me/pets"] = Repository()
    made.commit({"large/train-0.parquet": TRAIN, "small/train-0.parquet": TEST})
    with pytest.raises(ArmoireError, match=r"several data sets \(large, small\); choose one, as hf:me/pets:large"):
        load_images("hf:me/pets", 16)
    with pytest.raises(ArmoireError, match="no data set 'smal'; did you mean 'small'"):
        load_images("hf:me/pets:smal", 16)
    images = load_images("hf:me/pets:small", 16)
    assert len(images) == 10
    assert images.info.source.startswith("hf:me/pets:small@")
    assert len(load_images("hf:me/pets:large", 16)) == 20


@pytest.mark.parametrize("how", ["cut", "changed", "endless"])
def test_what_does_not_come_whole_is_never_seen(hub, repository, cache, how):
    hub.fails("GET /cdn/", how)
    with pytest.raises(ArmoireError):
        load_images("hf:me/pets", 16)
    assert not list(cache.rglob("data/pets"))
    hub.faults.clear()
    assert len(load_images("hf:me/pets", 16)) == N


@pytest.mark.parametrize("name", ["../x.parquet", "/x.parquet", "a/../../x.parquet"])
def test_a_name_that_leads_elsewhere_is_refused(hub, cache, name):
    hub.repositories["datasets/me/pets"] = Repository()
    hub.repositories["datasets/me/pets"].commit({name: TRAIN})
    with pytest.raises(ArmoireError, match="it holds a file called"):
        load_images("hf:me/pets", 16)
    assert not list(cache.rglob("x.parquet"))


def test_what_holds_no_images_is_told(hub):
    hub.repositories["datasets/me/pets"] = Repository()
    hub.repositories["datasets/me/pets"].commit({"README.md": b"nothing"})
    with pytest.raises(ArmoireError, match="holds no Parquet files, archives or pictures"):
        load_images("hf:me/pets", 16)
    with pytest.raises(ArmoireError, match="has no the data set hf:me/none"):
        load_images("hf:me/none", 16)
    with pytest.raises(ArmoireError, match="names no repository"):
        load_images("hf:pets", 16)


@pytest.mark.parametrize(
    ("text", "repository", "config", "revision"),
    [
        ("hf:me/pets", "me/pets", "", "main"),
        ("hf:me/pets:small", "me/pets", "small", "main"),
        ("hf:me/pets@v1", "me/pets", "", "v1"),
        ("hf:me/pets:small@refs/pr/1", "me/pets", "small", "refs/pr/1"),
    ],
)
def test_a_reference_and_what_is_printed_of_it(text, repository, config, revision):
    data = parse_data(text)
    assert data is not None
    assert (data.reference.repository, data.config, data.reference.revision) == (repository, config, revision)
    assert str(data) == text
    assert parse_data("photos/") is None
