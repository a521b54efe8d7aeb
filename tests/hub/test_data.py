"""Data sets of the Hub: which files are downloaded, once and whole, and how they are read."""

from __future__ import annotations

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_sets import saved
from hub_stand_in import Repository
from PIL import Image

from armoire import load_images
from armoire.errors import ArmoireError

N = 30


def png(i: int) -> bytes:
    return saved(Image.fromarray(np.random.default_rng(i).integers(0, 256, (16, 16, 3), np.uint8))).getvalue()


def shard(rows: range) -> bytes:
    """As the Hub's own conversion writes it."""
    label = {"names": ["cat", "dog"], "_type": "ClassLabel"}
    info = {"info": {"features": {"image": {"_type": "Image"}, "label": label}}}
    cells = [{"bytes": png(i), "path": f"{i}.png"} for i in rows]
    table = pa.table({"image": cells, "label": [i % 2 for i in rows]})
    table = table.replace_schema_metadata({"huggingface": json.dumps(info)})
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
    # The source names the commit, so that it never changes and needs no network.
    assert images.info.source == f"hf:me/pets@{repository.commits[-1][0]}"
    asked = len(hub.requests)
    again = load_images(images.info.source, 16)
    assert again.info.fingerprint == images.info.fingerprint
    assert len(hub.requests) == asked


def test_the_conversion_of_the_hub(hub):
    made = hub.repositories["datasets/me/pets"] = Repository()
    made.commit({"pets.py": b"a script", "pictures.zip": b"PK"})
    made.branch("refs/convert/parquet", {"default/train/0000.parquet": TRAIN, "default/test/0000.parquet": TEST})
    images = load_images("hf:me/pets", 16)
    assert images.splits == {"train": 20, "test": 10}
    assert not hub.asked("pets.py")


def test_image_files(hub):
    made = hub.repositories["datasets/me/pets"] = Repository()
    files = {f"train/{i}.png": png(i) for i in range(N)}
    rows = [json.dumps({"file_name": f"{i}.png", "Smiling": i % 3 == 0}) for i in range(N)]
    made.commit(files | {"train/metadata.jsonl": "\n".join(rows).encode(), ".gitattributes": b"", "pets.py": b""})
    images = load_images("hf:me/pets", 16)
    assert len(images) == N
    assert images.attributes == ["Smiling"]
    assert not hub.asked("pets.py")


def test_one_of_several_data_sets(hub):
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


@pytest.mark.parametrize("name", ["../x.parquet", "/x.parquet", "a/../../x.parquet"])
def test_a_name_that_leads_elsewhere_is_refused(hub, cache, name):
    hub.repositories["datasets/me/pets"] = Repository()
    hub.repositories["datasets/me/pets"].commit({name: TRAIN})
    with pytest.raises(ArmoireError, match="it holds a file called"):
        load_images("hf:me/pets", 16)
    assert not list(cache.rglob("x.parquet"))


def test_a_data_set_without_images_is_an_error(hub):
    hub.repositories["datasets/me/pets"] = Repository()
    hub.repositories["datasets/me/pets"].commit({"README.md": b"nothing"})
    with pytest.raises(ArmoireError, match="holds no Parquet files, archives or pictures"):
        load_images("hf:me/pets", 16)
    with pytest.raises(ArmoireError, match="has no the data set hf:me/none"):
        load_images("hf:me/none", 16)
    with pytest.raises(ArmoireError, match="names no repository"):
        load_images("hf:pets", 16)
