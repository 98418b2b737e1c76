//! Pictures of every kind beside what Pillow makes of them: the same bytes, or a refusal by name. The table in
//! docs/pictures.md is what comes out.

mod jpeg;
mod kinds;
mod peers;
mod png;

use jpeg::{Jpeg, Process};
use kinds::{Complete, Kind, Noted, Refused, Same, compare, kind};
use png::Png;
use std::path::Path;

/// Samplings whose first component is the finest.
const LUMA_FINEST: [&[(u8, u8)]; 20] = [
    &[(1, 1), (1, 1), (1, 1)],
    &[(2, 1), (1, 1), (1, 1)],
    &[(2, 2), (1, 1), (1, 1)],
    &[(1, 2), (1, 1), (1, 1)],
    &[(4, 1), (1, 1), (1, 1)],
    &[(1, 4), (1, 1), (1, 1)],
    &[(4, 2), (1, 1), (1, 1)],
    &[(2, 4), (1, 1), (1, 1)],
    &[(2, 2), (2, 1), (2, 1)],
    &[(2, 2), (1, 2), (1, 2)],
    &[(2, 2), (2, 2), (1, 1)],
    &[(2, 2), (1, 1), (2, 1)],
    &[(3, 1), (1, 1), (1, 1)],
    &[(1, 3), (1, 1), (1, 1)],
    &[(3, 2), (1, 1), (1, 1)],
    &[(3, 1), (1, 1), (3, 1)],
    &[(4, 1), (2, 1), (1, 1)],
    &[(2, 1), (2, 1), (2, 1)],
    &[(1, 2), (1, 2), (1, 2)],
    &[(2, 1), (1, 1), (2, 1)],
];

/// Samplings with another component finer than the first, in some direction.
const CHROMA_FINER: [&[(u8, u8)]; 7] = [
    &[(1, 1), (2, 1), (1, 1)],
    &[(1, 1), (1, 2), (2, 1)],
    &[(1, 1), (2, 2), (2, 2)],
    &[(1, 2), (2, 1), (1, 1)],
    &[(2, 1), (1, 2), (1, 1)],
    &[(1, 1), (1, 1), (2, 2)],
    &[(1, 1), (4, 1), (1, 2)],
];

/// Samplings of four components.
const FOUR: [&[(u8, u8)]; 8] = [
    &[(1, 1), (1, 1), (1, 1), (1, 1)],
    &[(2, 2), (1, 1), (1, 1), (2, 2)],
    &[(2, 1), (1, 1), (1, 1), (2, 1)],
    &[(1, 2), (1, 1), (1, 1), (1, 2)],
    &[(4, 1), (1, 1), (1, 1), (4, 1)],
    &[(1, 1), (2, 2), (2, 2), (1, 1)],
    &[(1, 1), (1, 1), (1, 1), (2, 2)],
    &[(2, 1), (1, 1), (2, 1), (2, 1)],
];

/// From a single pixel to several units across and down, whole and in part.
const SIZES: [(u16, u16); 8] = [(40, 31), (1, 1), (17, 33), (3, 2), (16, 16), (31, 1), (1, 40), (7, 9)];

/// A file of each sampling in each of some sizes.
fn each<'a>(
    samplings: &'a [&[(u8, u8)]],
    sizes: &'a [(u16, u16)],
) -> impl Iterator<Item = Jpeg> + Clone + 'a {
    samplings.iter().flat_map(move |sampling| sizes.iter().map(move |&(w, h)| Jpeg::new(w, h, sampling)))
}

fn written(files: impl Iterator<Item = Jpeg>) -> Vec<Vec<u8>> {
    files.map(|file| file.write()).collect()
}

fn named(file: Jpeg, names: &[u8]) -> Jpeg {
    let components = file.components.iter().zip(names).map(|(&(_, h, v), &id)| (id, h, v)).collect();
    Jpeg { components, jfif: false, ..file }
}

fn jpeg_kinds() -> Vec<Kind> {
    let all_samplings = [&LUMA_FINEST[..], &CHROMA_FINER].concat();
    let grey: [&[(u8, u8)]; 4] = [&[(1, 1)], &[(2, 2)], &[(2, 1)], &[(3, 4)]];
    let one: [&[(u8, u8)]; 1] = [&[(1, 1), (1, 1), (1, 1)]];
    let process = |process| move |file: Jpeg| Jpeg { process, ..file };
    let adobe = |transform| move |file: Jpeg| Jpeg { adobe: Some(transform), jfif: false, ..file };
    let lossless = |sampling: &'static [(u8, u8)]| {
        (1..=7).map(move |predictor| Jpeg {
            predictor,
            process: Process::Lossless,
            ..Jpeg::new(19, 11, sampling)
        })
    };
    vec![
        kind("JPEG, baseline, luma finest, any sampling", Same, written(each(&LUMA_FINEST, &SIZES[..6]))),
        kind("JPEG, chroma finer than luma", Same, written(each(&CHROMA_FINER, &SIZES))),
        kind(
            "JPEG, each component in its own scan",
            Same,
            written(each(&all_samplings, &SIZES[..3]).map(Jpeg::apart)),
        ),
        kind(
            "JPEG, extended sequential",
            Same,
            written(each(&all_samplings, &SIZES[2..3]).map(process(Process::Extended))),
        ),
        kind(
            "JPEG, progressive",
            Same,
            written(each(&all_samplings, &[SIZES[0], SIZES[7]]).map(process(Process::Progressive))),
        ),
        kind(
            "JPEG, restart markers",
            Same,
            written(
                each(&all_samplings, &SIZES[..1])
                    .zip(1..)
                    .map(|(file, n)| Jpeg { restart: n % 4 + 1, ..file }),
            ),
        ),
        kind("JPEG, grey", Same, written(each(&grey, &SIZES))),
        kind(
            "JPEG, RGB (told by an Adobe segment or the components' names)",
            Same,
            written(each(&all_samplings, &SIZES[2..3]).map(adobe(0)))
                .into_iter()
                .chain(written(each(&LUMA_FINEST[..4], &SIZES[..2]).map(|file| named(file, b"RGB")))),
        ),
        kind(
            "JPEG, YCbCr under other names of components",
            Same,
            written(each(&one, &SIZES[..3]).flat_map(|file| {
                [
                    named(file.clone(), &[0, 1, 2]),
                    named(file.clone(), &[9, 4, 7]),
                    adobe(1)(file.clone()),
                    adobe(2)(file),
                ]
            })),
        ),
        kind(
            "JPEG, CMYK",
            Same,
            written(each(&FOUR, &SIZES[..3]).chain(each(&FOUR, &SIZES[2..4]).map(adobe(0)))),
        ),
        kind("JPEG, YCCK", Same, written(each(&FOUR, &SIZES[..3]).map(adobe(2)))),
        kind(
            "JPEG, coarse and fine quantisation",
            Same,
            written(
                [1, 2, 60, 255].into_iter().map(|step| Jpeg { step, ..Jpeg::new(40, 31, LUMA_FINEST[2]) }),
            ),
        ),
        kind("JPEG, lossless, grey", Same, written(lossless(&[(1, 1)]))),
        kind("JPEG, lossless, RGB", Same, written(lossless(one[0]).map(adobe(0)))),
        kind("JPEG, lossless, YCbCr", Refused("lossless JPEG in YCbCr"), written(lossless(one[0]))),
        kind(
            "JPEG, lossless, four components",
            Refused("lossless JPEG of four components"),
            written(lossless(FOUR[0])),
        ),
        kind(
            "JPEG, more than ten blocks at a time",
            Refused("more than 10 blocks"),
            written(each(&[&[(4, 4), (1, 1), (1, 1)], &[(2, 2), (2, 2), (2, 2)]], &SIZES[..3])),
        ),
        kind(
            "JPEG, samplings in no whole ratio",
            Refused(""),
            written(each(&[&[(3, 1), (2, 1), (1, 1)], &[(2, 1), (3, 1), (1, 1)]], &SIZES[..3])),
        ),
        kind(
            "JPEG, two components",
            Refused("2 components"),
            written(each(&[&[(1, 1), (1, 1)], &[(2, 1), (1, 1)]], &SIZES[..1])),
        ),
        kind(
            "JPEG, 12 bits",
            Refused("12 bits"),
            written(
                each(&one, &SIZES[..1])
                    .map(process(Process::Extended))
                    .map(|file| Jpeg { precision: 12, ..file }),
            ),
        ),
    ]
}

/// Files that the tools of libjpeg-turbo make of ours: refined progressive scans, arithmetic coding, and pictures that were
/// compressed.
fn tool_kinds(folder: &Path) -> Vec<Kind> {
    if !peers::has_jpeg_tools() {
        return Vec::new();
    }
    let (mut refined, mut arithmetic, mut restarted) = (Vec::new(), Vec::new(), Vec::new());
    for (index, file) in each(&LUMA_FINEST, &SIZES[2..3]).chain(each(&FOUR[..4], &SIZES[..1])).enumerate() {
        let path = folder.join(format!("{index}.jpg"));
        std::fs::write(&path, file.write()).unwrap();
        let make = |options: &[&str]| peers::tool("jpegtran", &[&["-copy", "all"], options].concat(), &path);
        refined.extend(
            [make(&["-progressive"]), make(&["-progressive", "-restart", "2B"])].into_iter().flatten(),
        );
        arithmetic
            .extend([make(&["-arithmetic"]), make(&["-arithmetic", "-progressive"])].into_iter().flatten());
        restarted.extend(make(&["-arithmetic", "-restart", "2B"]));
    }
    let mut compressed = Vec::new();
    for (index, &(w, h)) in SIZES.iter().enumerate() {
        let path = folder.join(format!("{index}.ppm"));
        let pixel =
            |i: u32| (i.wrapping_mul(2_654_435_761) >> 27) as u8 + (i / u32::from(w) * 5 + i * 3) as u8 % 190;
        let pixels: Vec<u8> = (0..u32::from(w) * u32::from(h) * 3).map(pixel).collect();
        std::fs::write(&path, [format!("P6 {w} {h} 255\n").as_bytes(), &pixels].concat()).unwrap();
        for sample in ["1x1", "2x1", "2x2", "1x2", "4x1", "4x2"] {
            let quality = ["35", "75", "96"][index % 3];
            compressed.extend(peers::tool("cjpeg", &["-quality", quality, "-sample", sample], &path));
        }
    }
    // the bands of frequencies that came before a cut: libjpeg smooths between blocks then
    let early = |options: &[&str], path: &Path| -> Vec<Vec<u8>> {
        let Some(file) = peers::tool("jpegtran", options, path) else { return Vec::new() };
        let scans: Vec<usize> =
            file.windows(2).enumerate().filter(|(_, two)| *two == [0xff, 0xda]).map(|(at, _)| at).collect();
        scans[1..].iter().map(|&at| [&file[..at], &[0xff, 0xd9]].concat()).collect()
    };
    let photo = folder.join("photo.jpg");
    std::fs::write(&photo, &compressed[compressed.len() / 2]).unwrap();
    let fine = folder.join("fine.jpg");
    std::fs::write(&fine, Jpeg::new(40, 31, CHROMA_FINER[0]).write()).unwrap();
    let unsmoothed =
        [early(&["-arithmetic", "-progressive"], &photo), early(&["-progressive"], &fine)].concat();
    vec![
        kind("JPEG, progressive without its last scans", Same, early(&["-progressive"], &photo)),
        kind(
            "JPEG, progressive without its last scans, arithmetic coding or chroma finer than luma",
            Refused("without its last scans"),
            unsmoothed,
        ),
        kind("JPEG, progressive with refinement", Same, refined),
        kind("JPEG, arithmetic coding, sequential and progressive", Same, arithmetic),
        kind("JPEG, arithmetic coding with restart markers", Refused("restart markers"), restarted),
        kind("JPEG, compressed by cjpeg", Same, compressed),
    ]
}

#[test]
fn jpegs_of_every_sampling_process_and_size() {
    let folder = tempfile::tempdir().unwrap();
    let count = compare(jpeg_kinds().into_iter().chain(tool_kinds(folder.path())).collect());
    assert!(count >= 500, "{count} files");
}

#[test]
fn damaged_jpegs() {
    let sequential: Vec<Vec<u8>> = [0, 1, 2]
        .into_iter()
        .flat_map(|i| {
            [Jpeg::new(40, 31, LUMA_FINEST[i]), Jpeg { restart: 2, ..Jpeg::new(33, 40, LUMA_FINEST[i]) }]
        })
        .map(|file| file.write())
        .collect();
    let several: Vec<Vec<u8>> = [
        Jpeg::new(40, 31, LUMA_FINEST[2]).apart().write(),
        Jpeg { process: Process::Progressive, ..Jpeg::new(40, 31, LUMA_FINEST[2]) }.write(),
    ]
    .into();
    let every: Vec<Vec<u8>> = [sequential.clone(), several.clone()].concat();
    let cut = |files: &[Vec<u8>], bytes: usize, more: &[u8]| -> Vec<Vec<u8>> {
        files.iter().map(|file| [&file[..file.len() - bytes], more].concat()).collect()
    };
    let whole = |kind: Kind, files: &[Vec<u8>]| Kind { whole: files.to_vec(), ..kind };
    let second_interval: Vec<Vec<u8>> = sequential
        .iter()
        .skip(1)
        .step_by(2)
        .map(|file| {
            let marker = |n: u8| file.windows(2).position(|two| two == [0xff, 0xd0 + n]).unwrap();
            [&file[..marker(0) + 2], &[0x5a; 9], &file[marker(1)..]].concat()
        })
        .collect();
    compare(vec![
        kind(
            "JPEG, bytes after the end",
            Noted("bytes after the end"),
            cut(&every, 0, b"what a camera appends"),
        ),
        kind("JPEG, a second picture after the end", Noted("bytes after the end"), {
            every.iter().map(|file| [&file[..], file].concat())
        }),
        whole(
            kind(
                "JPEG, one scan, zeros instead of the end marker",
                Noted("no end marker"),
                cut(&sequential, 2, &[0; 64]),
            ),
            &sequential,
        ),
        whole(
            kind("JPEG, one scan, nothing instead of the end marker", Complete("no end marker"), {
                [cut(&sequential, 2, b""), cut(&sequential, 1, b"")].concat()
            }),
            &[sequential.clone(), sequential.clone()].concat(),
        ),
        kind("JPEG, several scans, no end marker", Refused("truncated"), {
            [cut(&several, 2, b""), cut(&several, 1, b""), cut(&several, 2, &[0; 64])].concat()
        }),
        kind("JPEG, cut off", Refused("truncated"), {
            [3, 10, 40, 200].into_iter().flat_map(|bytes| cut(&every, bytes + 2, b"")).collect::<Vec<_>>()
        }),
        kind("JPEG, arithmetic coding, no end marker", Refused("truncated"), {
            let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/jpeg/arithmetic_420.jpg");
            let file = std::fs::read(golden).unwrap();
            [
                file[..file.len() / 2].to_vec(),
                file[..file.len() - 40].to_vec(),
                file[..file.len() - 2].to_vec(),
            ]
        }),
        kind("JPEG, cut off, end marker appended", Refused("end early"), cut(&sequential, 60, &[0xff, 0xd9])),
        kind("JPEG, damaged between restart markers", Refused("damaged"), second_interval),
        kind("JPEG, a restart marker out of order", Refused("not in order"), {
            sequential.iter().skip(1).step_by(2).map(|file| {
                let marker = file.windows(2).position(|two| two == [0xff, 0xd1]).unwrap();
                [&file[..marker + 1], &[0xd6], &file[marker + 2..]].concat()
            })
        }),
        kind("JPEG, a component without a scan, or in two", Refused("without a scan, or in two"), {
            let file = Jpeg::new(40, 31, LUMA_FINEST[0]);
            [vec![vec![0], vec![1]], vec![vec![0], vec![1], vec![1], vec![2]]]
                .map(|scans| Jpeg { scans, ..file.clone() }.write())
        }),
        kind("JPEG, bytes between segments", Noted("between its segments"), {
            sequential.iter().map(|file| [&file[..20], &[0, 7, 0], &file[20..]].concat())
        }),
        kind("JPEG, stuffed bytes between segments", Noted("between its segments"), {
            sequential.iter().map(|file| [&file[..20], &[0xff, 0], &file[20..]].concat())
        }),
        kind("JPEG, fill bytes before markers", Same, {
            every.iter().map(|file| [&file[..2], &[0xff, 0xff], &file[2..]].concat())
        }),
    ]);
}

fn palette() -> Vec<u8> {
    (0..256_u32 * 3).map(|i| (i.wrapping_mul(40_503) >> 8) as u8).collect()
}

#[test]
fn pngs_of_every_colour_type() {
    let sizes = [(1, 1), (5, 3), (33, 17), (64, 9)];
    let files = |types: &[(u8, u8)], interlaced: bool| -> Vec<Vec<u8>> {
        let mut files = Vec::new();
        for &(color, depth) in types {
            for (w, h) in sizes {
                let file = Png { interlaced, ..Png::new(w, h, color, depth) };
                let colours = palette()[..3 << depth.min(8)].to_vec();
                let before = if color == 3 { vec![(b"PLTE", colours)] } else { Vec::new() };
                files.push(Png { before, ..file }.write());
            }
        }
        files
    };
    let short =
        |depth| Png { before: vec![(b"PLTE", palette()[..9].to_vec())], ..Png::new(33, 17, 3, depth) };
    let alpha = |color, depth, alpha: &[u8]| {
        let colours = if color == 3 { vec![(b"PLTE", palette())] } else { Vec::new() };
        Png { before: [colours, vec![(b"tRNS", alpha.to_vec())]].concat(), ..Png::new(33, 17, color, depth) }
            .write()
    };
    let eight = [(0, 1), (0, 2), (0, 4), (0, 8), (2, 8), (3, 1), (3, 2), (3, 4), (3, 8), (4, 8), (6, 8)];
    let sixteen = [(2, 16), (4, 16), (6, 16)];
    let image = Png::new(33, 17, 2, 8);
    let frame = |number: u32, size: [u32; 2]| {
        let mut content = [number.to_be_bytes(), size[0].to_be_bytes(), size[1].to_be_bytes()].concat();
        content.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 10, 0, 0]);
        content
    };
    let animated = Png {
        before: vec![(b"acTL", [2_u32, 0].map(u32::to_be_bytes).concat()), (b"fcTL", frame(0, [33, 17]))],
        after: vec![
            (b"fcTL", frame(1, [33, 17])),
            (b"fdAT", [&2_u32.to_be_bytes()[..], &png::zlib(&vec![0; 17 * 100])].concat()),
        ],
        ..image.clone()
    };
    let still = Png { before: animated.before[..1].to_vec(), after: Vec::new(), ..animated.clone() };
    compare(vec![
        kind("PNG, every colour type of up to 8 bits", Same, files(&eight, false)),
        kind("PNG, 16 bits, RGB or with alpha (the upper 8 are kept)", Same, files(&sixteen, false)),
        kind("PNG, interlaced", Same, [files(&eight, true), files(&sixteen, true)].concat()),
        kind("PNG, fewer colours than the pixels name (black)", Same, [short(4).write(), short(8).write()]),
        kind("PNG, transparent colours (dropped)", Same, {
            [alpha(3, 8, &[0, 128, 255]), alpha(0, 8, &[0, 9]), alpha(2, 8, &[0, 1, 0, 2, 0, 3])]
        }),
        kind("PNG, animated (the first frame)", Same, [animated.write(), still.write()]),
        kind("PNG, bytes after the end", Noted("bytes after the end"), {
            [[&image.write()[..], b"more"].concat(), [image.write(), image.write()].concat()]
        }),
    ]);
}

#[test]
fn damaged_pngs() {
    let image = Png::new(33, 17, 2, 8);
    let deep = Png { interlaced: true, ..Png::new(40, 30, 6, 16) };
    let data = png::zlib(&image.raw());
    let whole = image.write();
    let at = |name: &[u8; 4]| whole.windows(4).position(|four| four == name).unwrap();
    let flip = |position: usize| {
        let mut file = whole.clone();
        file[position] ^= 0x10;
        file
    };
    let ended = |file: Vec<u8>, bytes: usize| file[..file.len() - bytes].to_vec();
    let text = |before: bool| {
        let chunk: (&'static [u8; 4], Vec<u8>) = (b"tEXt", b"Comment\0some words".to_vec());
        let (before, after) = if before { (vec![chunk], Vec::new()) } else { (Vec::new(), vec![chunk]) };
        let file = Png { before, after, ..image.clone() }.write();
        let place = file.windows(4).position(|four| four == b"some").unwrap();
        [&file[..place], b"S", &file[place + 1..]].concat()
    };
    let mut short = data.clone();
    short.truncate(data.len() - 200);
    let first_checksum = at(b"IDAT") + 4 + 300;
    compare(vec![
        kind(
            "PNG, no end chunk, all pixels there",
            Noted("no end"),
            [ended(image.write(), 12), ended(deep.write(), 12)],
        ),
        kind("PNG, a damaged end chunk", Noted(""), [ended(image.write(), 1), flip(whole.len() - 1)]),
        kind("PNG, a wrong checksum of pixels that unpack", Noted("checksum"), [flip(first_checksum)]),
        kind("PNG, cut off", Refused("truncated"), [100, 300, 700].map(|bytes| ended(image.write(), bytes))),
        kind("PNG, fewer pixels than announced", Refused("damaged"), [image.with_data(&short)]),
        kind("PNG, no pixels", Refused("no pixels"), [[image.head(), png::chunk(b"IEND", b"")].concat()]),
        kind("PNG, a damaged header or a damaged chunk before the pixels", Refused("damaged (checksum)"), {
            [flip(at(b"IHDR") + 5), text(true)]
        }),
        kind("PNG, a damaged chunk after the pixels", Noted("checksum"), [text(false)]),
    ]);
}
