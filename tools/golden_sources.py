"""Golden data sets as the libraries of their formats write them, in crates/data/tests/golden/archives/.

hub, hub_with_paths   Parquet by `datasets`, as the Hugging Face hub has it: four shards, labels with names; the pictures
                      have no paths, or one each.
paths_only.parquet    one file by `datasets` with the paths of two pictures and no bytes, as its `to_parquet` writes them.
pyarrow.parquet       one file by `pyarrow`: pictures as a plain column, labels as texts, row groups of 3, pages of version
                      2, compressed by zstd.
webdataset            two tar archives by `webdataset`, with labels as `cls` and as `json`, and names of the classes.

Pictures are made up here: 16 columns, 12 rows; red says which one, green and blue grow to the right and downwards. Every
third is a JPEG. What is expected of them stands in crates/data/tests/archives.rs.

Made with datasets 5.2.0, pyarrow 26.0.1, webdataset 1.0.2 and Pillow 13.0.0.
"""

import contextlib
import io
import tempfile
from pathlib import Path

import datasets
import pyarrow
import pyarrow.parquet
import webdataset
from PIL import Image

OUT = Path(__file__).resolve().parent.parent / "crates/data/tests/golden/archives"
CLASSES = ["zebra", "ant", "cat"]


def picture(index: int) -> Image.Image:
    made = Image.new("RGB", (16, 12))
    made.putdata([(index * 20, x * 16, y * 20) for y in range(12) for x in range(16)])
    return made


def encoded(index: int) -> bytes:
    file = io.BytesIO()
    # every third is a JPEG
    picture(index).save(file, "JPEG" if index % 3 == 2 else "PNG")
    return file.getvalue()


def parquet(folder: Path, paths: bool) -> None:
    """Six pictures to learn from in two shards, three to choose by, and two to test on that have no label."""
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=CLASSES)})
    for name, first, n in [
        ("train-00000-of-00002", 0, 4),
        ("train-00001-of-00002", 4, 2),
        ("validation-00000-of-00001", 6, 3),
        ("test-00000-of-00001", 9, 2),
    ]:
        of = range(first, first + n)
        images = [{"bytes": encoded(index), "path": f"{index:04}.png" if paths else None} for index in of]
        labels = [-1 if name.startswith("test") else index % 3 for index in of]
        rows = datasets.Dataset.from_dict({"image": images, "label": labels}, features=features)
        folder.mkdir(parents=True, exist_ok=True)
        rows.to_parquet(folder / f"{name}.parquet")


def paths_only(path: Path) -> None:
    """Pictures that are elsewhere."""
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=CLASSES)})
    rows = {"image": ["photos/0.png", "photos/1.png"], "label": [0, 1]}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("photos").mkdir()
        for index, name in enumerate(rows["image"]):
            picture(index).save(name)
        datasets.Dataset.from_dict(rows, features=features).to_parquet(path)


def plain(path: Path) -> None:
    """Ten pictures that come as one."""
    table = pyarrow.table({
        "id": list(range(10)),
        "img": [encoded(index) for index in range(10)],
        "label": [CLASSES[index % 3] for index in range(10)],
    })
    pyarrow.parquet.write_table(
        table, path, compression="zstd", row_group_size=3, data_page_version="2.0", use_dictionary=["label", "img"]
    )


def tar(folder: Path) -> None:
    """Five pictures to learn from with `cls`, and two to choose by with `json`."""
    folder.mkdir(parents=True, exist_ok=True)
    with webdataset.TarWriter(str(folder / "train-000000.tar"), mtime=0) as writer:
        for index in range(5):
            kind = "jpg" if index % 3 == 2 else "png"
            writer.write({"__key__": f"s/{index:04}", kind: encoded(index), "cls": index % 3, "txt": "a caption"})
    with webdataset.TarWriter(str(folder / "val-000000.tar"), mtime=0) as writer:
        for index in range(6, 8):
            writer.write({"__key__": f"s/{index:04}", "json": {"label": index % 3}, "png": picture(index)})
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in CLASSES))


def main() -> None:
    parquet(OUT / "hub/data", paths=False)
    parquet(OUT / "hub_with_paths/data", paths=True)
    paths_only(OUT / "paths_only.parquet")
    plain(OUT / "pyarrow.parquet")
    tar(OUT / "webdataset")


main()
