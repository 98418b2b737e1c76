//! TIFF files of every layout beside what Pillow makes of them, as `pictures_pillow.rs` does it with JPEG and PNG.

mod bmp;
mod kinds;
mod peers;
mod png;
mod tiff;

use kinds::{Kind, Meant, Noted, Refused, Same, compare, kind, meant};
use tiff::Tiff;

/// Less than a tile, several in part, several whole.
const SIZES: [[usize; 2]; 5] = [[1, 1], [5, 3], [33, 17], [48, 32], [100, 7]];

fn each(files: impl Fn([usize; 2]) -> Vec<Tiff>) -> Vec<Vec<u8>> {
    SIZES.into_iter().flat_map(files).flat_map(both_orders).collect()
}

fn both_orders(file: Tiff) -> [Vec<u8>; 2] {
    [file.write(), Tiff { big_endian: true, ..file }.write()]
}

/// Photometric interpretation, samples, bits, extra samples.
type Sort = (u64, usize, u16, &'static [u64]);

const SORTS: [Sort; 17] = [
    (0, 1, 8, &[]),
    (1, 1, 8, &[]),
    (1, 2, 8, &[0]),
    (1, 2, 8, &[2]),
    (2, 3, 8, &[]),
    (2, 4, 8, &[]),
    (2, 4, 8, &[0]),
    (2, 4, 8, &[1]),
    (2, 4, 8, &[2]),
    (2, 6, 8, &[2, 0, 0]),
    (2, 3, 16, &[]),
    (2, 4, 16, &[2]),
    (2, 4, 16, &[1]),
    (3, 1, 8, &[]),
    (3, 2, 8, &[2]),
    (5, 4, 8, &[]),
    (5, 4, 16, &[]),
];

fn of(size: [usize; 2], (photometric, samples, bits, extra): Sort) -> Tiff {
    Tiff { extra: extra.to_vec(), ..Tiff::new(size, photometric, samples, bits) }
}

#[test]
fn tiffs_of_every_layout() {
    let small: Vec<(u64, u16)> =
        [0, 1, 3].into_iter().flat_map(|color| [1, 2, 4].map(|bits| (color, bits))).collect();
    let planes = |size| [(2, 3, 8, &[][..]), (2, 4, 8, &[2]), (5, 4, 8, &[])].map(|sort| of(size, sort));
    let compressions = [5, 8, 32946, 32773];
    let deep = |file: &Tiff| file.bits >= 8;
    compare(vec![
        kind("TIFF, grey, RGB, CMYK and palette, 8 and 16 bits, alpha or not", Same, {
            each(|size| SORTS.map(|sort| of(size, sort)).to_vec())
        }),
        kind("TIFF, 1, 2 and 4 bits", Same, {
            each(|size| small.iter().map(|&(color, bits)| Tiff::new(size, color, 1, bits)).collect())
        }),
        kind("TIFF, in strips", Same, {
            each(|size| SORTS.map(|sort| Tiff { rows: 2.min(size[1]), ..of(size, sort) }).to_vec())
        }),
        kind("TIFF, in tiles", Same, {
            each(|size| SORTS.map(|sort| Tiff { tile: Some([16, 32]), ..of(size, sort) }).to_vec())
        }),
        kind("TIFF, in planes", Same, {
            each(|size| {
                let strips = planes(size).map(|file| Tiff { planar: true, ..file });
                let tiles = strips.clone().map(|file| Tiff { tile: Some([32, 16]), ..file });
                [strips, tiles].concat()
            })
        }),
        kind("TIFF, LZW, deflate, PackBits", Same, {
            each(|size| {
                let files = SORTS.into_iter().flat_map(|sort| {
                    compressions.map(|compression| Tiff {
                        compression,
                        rows: 5.min(size[1]),
                        ..of(size, sort)
                    })
                });
                let small = small
                    .iter()
                    .map(|&(color, bits)| Tiff { compression: 5, ..Tiff::new(size, color, 1, bits) });
                files.chain(small).collect()
            })
        }),
        kind("TIFF, differences between neighbours (predictor 2)", Same, {
            each(|size| {
                let files = SORTS.into_iter().flat_map(|sort| {
                    [5, 8].map(|compression| Tiff { compression, ..of(size, sort) }.with_tag(317, 3, 2))
                });
                files.filter(deep).collect()
            })
        }),
        kind("TIFF, tiles and planes, compressed", Same, {
            each(|size| {
                let tiles = compressions.map(|compression| Tiff {
                    compression,
                    tile: Some([32, 16]),
                    ..of(size, SORTS[4])
                });
                let planes = planes(size).map(|file| Tiff { compression: 5, planar: true, ..file });
                [tiles.to_vec(), planes.to_vec()].concat()
            })
        }),
        kind("TIFF, lowest bits first", Same, {
            let files = |size| {
                // Pillow knows no palettes of these
                let small = small.iter().filter(|(color, _)| *color != 3);
                let small = small.map(|&(color, bits)| Tiff::new(size, color, 1, bits));
                let files = small.chain([SORTS[1], SORTS[4], SORTS[13]].map(|sort| of(size, sort)));
                let files =
                    files.flat_map(|file| [1, 5].map(|compression| Tiff { compression, ..file.clone() }));
                files.map(|file| Tiff { low_bits_first: true, ..file }).collect()
            };
            each(files)
        }),
        kind("BigTIFF, little-endian", Same, {
            SIZES
                .into_iter()
                .flat_map(|size| SORTS.map(|sort| Tiff { wide: true, ..of(size, sort) }.write()).to_vec())
        }),
        meant("BigTIFF, big-endian", Meant, {
            SORTS.map(|sort| Tiff { big_endian: true, ..of([33, 17], sort) }).map(|file| {
                let small = file.write();
                [Tiff { wide: true, ..file }.write(), small]
            })
        }),
        meant("TIFF, in planes, one of them unknown, not compressed", Meant, {
            let file = Tiff { planar: true, ..of([33, 17], (2, 4, 8, &[0])) };
            [[file.write(), Tiff { compression: 5, ..file }.write()]]
        }),
        meant("TIFF, grey of 16 bits (the upper 8 are kept)", Meant, {
            [0, 1].into_iter().flat_map(|color| {
                let deep = Tiff { big_endian: true, ..Tiff::new([33, 17], color, 1, 16) };
                let upper = deep.chunks().into_iter().map(|strip| strip.into_iter().step_by(2).collect());
                let whole = Tiff { bits: 8, ..deep.clone() }.with_chunks(&upper.collect::<Vec<Vec<u8>>>());
                let packed = Tiff { compression: 5, ..deep.clone() }.write();
                [[deep.write(), whole.clone()], [packed, whole]]
            })
        }),
    ]);
}

#[test]
fn tiffs_with_odd_directories() {
    let plain = of([24, 17], SORTS[4]);
    let turned = |kind| (0..=9).map(move |value| of([24, 17], SORTS[4]).with_tag(274, kind, value).write());
    let xmp = |value: u8| {
        let packet = format!("<x:xmpmeta><a tiff:Orientation=\"{value}\"/></x:xmpmeta>");
        Tiff { tags: vec![(700, 1, packet.bytes().map(u64::from).collect())], ..plain.clone() }
    };
    let strips = Tiff { rows: 4, ..plain.clone() };
    let without = |file: &Tiff, tag| Tiff { tags: vec![(tag, 3, Vec::new())], ..file.clone() }.write();
    compare(vec![
        kind("TIFF, every orientation", Same, turned(3).chain(turned(4)).chain(turned(1))),
        kind("TIFF, orientation in XMP", Same, {
            let both = (1..9).map(|value| xmp(value).with_tag(274, 3, 6));
            (0..10).map(xmp).chain(both).map(|file| file.write())
        }),
        kind("TIFF, without tags that have defaults", Same, {
            let grey = Tiff::new([24, 17], 0, 1, 1);
            let files = [258, 259, 262, 277, 284].map(|tag| without(&grey, tag));
            [files.to_vec(), vec![without(&plain, 278)]].concat()
        }),
        kind("TIFF, not compressed, sizes of strips missing or wrong", Same, {
            let wrong = Tiff { tags: vec![(279, 3, vec![1; 5])], ..strips.clone() }.write();
            [without(&strips, 279), wrong]
        }),
        kind(
            "TIFF, its first picture is a reduced one",
            Noted("reduced"),
            [plain.clone().with_tag(254, 4, 1).write()],
        ),
    ]);
}

#[test]
fn tiffs_that_are_refused() {
    let size = [24, 17];
    let packed = |compression: u64| Tiff { compression, ..of(size, SORTS[4]) };
    let numbered = |tag, value: u64| of(size, SORTS[4]).with_tag(tag, 3, value).write();
    let cut = |file: Tiff, bytes: usize| {
        // a directory that is whole, and strips that are not
        let mut chunks = file.chunks();
        let last = chunks.last_mut().unwrap();
        last.truncate(last.len() - bytes);
        file.with_chunks(&chunks)
    };
    let plain = of(size, SORTS[4]).write();
    let formats =
        |format: u64, bits: u16| Tiff { tags: vec![(339, 3, vec![format])], ..Tiff::new(size, 1, 1, bits) };
    compare(vec![
        kind(
            "TIFF, cut off in its directory",
            Refused("truncated"),
            [40, 90, 150].map(|bytes| plain[..plain.len() - bytes].to_vec()),
        ),
        kind("TIFF, compressed, cut off in its pixels", Refused("end early"), {
            [5, 8, 32773].into_iter().flat_map(|one| [9, 200].map(|bytes| cut(packed(one), bytes)))
        }),
        kind("TIFF, too few strips", Refused("too few strips"), {
            let strips = Tiff { rows: 4, ..of(size, SORTS[4]) };
            [strips.with_chunks(&strips.chunks()[..4])]
        }),
        kind("TIFF, no pixels", Refused("no pixels"), [numbered(256, 0), numbered(257, 0)]),
        kind("TIFF, JPEG of the old kind", Refused("JPEG of the old kind"), [numbered(259, 6)]),
        kind("TIFF, LZMA", Refused("LZMA"), [numbered(259, 34925)]),
        kind(
            "TIFF, Zstandard, WebP",
            Refused("which is not decoded"),
            [numbered(259, 50000), numbered(259, 50001)],
        ),
        kind("TIFF, CIE L*a*b*", Refused("L*a*b*"), [numbered(262, 8)]),
        kind("TIFF, YCbCr outside of JPEG", Refused("YCbCr outside of JPEG"), [numbered(262, 6)]),
        kind(
            "TIFF, signed samples",
            Refused("signed or floating"),
            [formats(2, 8).write(), formats(2, 16).write()],
        ),
        kind(
            "TIFF, 32 bits, integers and fractions",
            Refused("which is not decoded"),
            [1, 3].map(|one| formats(one, 32).write()),
        ),
        kind("TIFF, 12 bits", Refused("12"), [Tiff::new(size, 1, 1, 12).write()]),
    ]);
}

#[test]
fn tiffs_as_pillow_writes_them() {
    let Some(python) = peers::pillow() else { return };
    let files = peers::pillow_files(&python, "tiff");
    let named = |names: &[&str]| names.iter().flat_map(|name| files[*name].clone()).collect::<Vec<_>>();
    let all: Vec<Kind> = vec![
        kind("TIFF, as Pillow writes it", Same, {
            named(&[
                "tiff-grey",
                "tiff-rgb",
                "tiff-rgba",
                "tiff-cmyk",
                "tiff-palette",
                "tiff-bilevel",
                "tiff-orientation",
            ])
        }),
        kind("TIFF, fax: runs (compression 2), T.4, T.6", Same, {
            named(&["tiff-tiff_ccitt", "tiff-group3", "tiff-group4"])
        }),
        kind(
            "TIFF, JPEG: grey, RGB, YCbCr",
            Same,
            named(&["tiff-jpeg-grey", "tiff-jpeg-rgb", "tiff-jpeg-ycbcr"]),
        ),
        kind("TIFF, JPEG: CMYK", Refused("CMYK in JPEG"), named(&["tiff-jpeg-cmyk"])),
        kind("TIFF, several pages (the first)", Same, named(&["tiff-pages"])),
    ];
    compare(all);
}
