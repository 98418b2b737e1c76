#!/usr/bin/env bash
# `Dataset.to_parquet` of Hugging Face's `datasets` writes the paths of pictures that lie in files, and not the pictures.
#
# datasets 5.2.0 (PyPI), seen 2026-12-01 on Linux x86-64 with Python 3.11. A data set loaded by `imagefolder` has pictures that
# lie in files. `to_parquet` writes each as {"bytes": null, "path": "/the/whole/path.png"}. No warning is given. The file
# loads on the same machine, as long as the folder is there. Anywhere else it has no pictures. `push_to_hub` embeds them,
# because it calls `datasets.table.embed_table_storage` before. The same call before `to_parquet` gives a whole file.
#
# The feature's metadata are the same in both files: nothing but the null bytes tells them apart.
#
# Two more things are shown. A column that `datasets` calls `ClassLabel` loses its names when pandas reads the file and writes
# it again: its numbers are left without names. And `eval` in a file's name means the test split to `datasets`, where timm and
# others have it for the validation split.
#
# Why it matters here: such a file is refused with a word on what it lacks, and numbers without names are accepted.
#
# Needs: python3 with venv, and PyPI.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet datasets==5.2.0 pyarrow==26.0.1 pillow==13.0.0
export HF_HUB_OFFLINE=1 HF_DATASETS_CACHE="$work/cache" HF_HOME="$work/home"
export HF_DATASETS_DISABLE_PROGRESS_BARS=1

venv/bin/python - <<'PY'
import pathlib

import datasets
import pandas
import pyarrow.parquet as parquet
from datasets.table import embed_table_storage
from PIL import Image

for name in ["zebra", "ant"]:
    pathlib.Path("photos", name).mkdir(parents=True)
    Image.new("RGB", (4, 3)).save(f"photos/{name}/0.png")
rows = datasets.load_dataset("imagefolder", data_dir="photos", split="train")

rows.to_parquet("plain.parquet")
image = parquet.read_table("plain.parquet")["image"][0].as_py()
print("to_parquet:", image["bytes"], pathlib.Path(image["path"]).name)
assert image["bytes"] is None and image["path"].endswith("photos/ant/0.png")

whole = rows.with_format("arrow").map(embed_table_storage, batched=True).with_format(None)
whole.to_parquet("whole.parquet")
image = parquet.read_table("whole.parquet")["image"][0].as_py()
print("embedded first:", image["bytes"][:4], image["path"])
assert image["bytes"].startswith(b"\x89PNG") and image["path"] == "0.png"
keys = [parquet.read_schema(f"{name}.parquet").metadata[b"huggingface"] for name in ["plain", "whole"]]
assert keys[0] == keys[1] and b'"names": ["ant", "zebra"]' in keys[0]

pandas.read_parquet("whole.parquet").to_parquet("pandas.parquet")
print("by pandas:", datasets.Dataset.from_parquet("pandas.parquet").features["label"])
assert b"huggingface" not in parquet.read_schema("pandas.parquet").metadata

for name, split in [("eval", "test"), ("dev", "validation")]:
    pathlib.Path(name).mkdir()
    whole.to_parquet(f"{name}/{name}.parquet")
    found = list(datasets.load_dataset(str(pathlib.Path(name).resolve())))
    print(f"{name}.parquet is", found)
    assert found == [split]
PY
echo "as described"
