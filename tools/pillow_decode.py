"""Says what Pillow makes of picture files: `ImageOps.exif_transpose(Image.open(path)).convert("RGB")`.

    python tools/pillow_decode.py LIST ANSWERS

LIST is a text file with a path a line, as UTF-8. ANSWERS gets, for each path, the line `ok WIDTH HEIGHT` and then
3 * WIDTH * HEIGHT bytes, rows from the top, red before green before blue; or the line `no REASON`. The tests of
crates/data compare plusx with that. Tried with Pillow 13.0.0 and Python 3.11.
"""

import sys
import warnings

from PIL import Image, ImageOps


def answer(path):
    try:
        with Image.open(path) as image:
            picture = ImageOps.exif_transpose(image).convert("RGB")
        return b"ok %d %d\n" % picture.size + picture.tobytes()
    except Exception as error:  # whatever it is, the file was refused
        reason = f"{type(error).__name__}: {error}".replace("\n", " ")
        return f"no {reason}\n".encode()


def main():
    names, answers = sys.argv[1:]
    # of damaged metadata, which here is on purpose
    warnings.simplefilter("ignore")
    with open(names, encoding="utf-8") as paths, open(answers, "wb") as out:
        for path in paths.read().splitlines():
            out.write(answer(path))


if __name__ == "__main__":
    main()
