//! WebP, GIF and BMP files beside what Pillow makes of them, as `pictures_pillow.rs` does it with JPEG and PNG.

mod bmp;
mod gif;
mod kinds;
mod peers;

use bmp::{Bmp, noise};
use gif::{Gif, palette};
use kinds::{Complete, Meant, Noted, Refused, Same, compare, kind, meant};

/// The chunks of a WebP file: names and contents.
fn chunks(file: &[u8]) -> Vec<([u8; 4], Vec<u8>)> {
    let mut rest = &file[12..];
    let mut chunks = Vec::new();
    while let Some((name, after)) = rest.split_first_chunk::<4>() {
        let size = u32::from_le_bytes(after[..4].try_into().unwrap()) as usize;
        chunks.push((*name, after[4..4 + size].to_vec()));
        rest = &after[4 + size.next_multiple_of(2)..];
    }
    chunks
}

fn riff(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (name, content) in chunks {
        body.extend(*name);
        body.extend((content.len() as u32).to_le_bytes());
        body.extend(*content);
        body.resize(body.len().next_multiple_of(2), 0);
    }
    [b"RIFF", &(body.len() as u32).to_le_bytes()[..], &body].concat()
}

/// An animation whose one frame is a still file's picture, at twice these coordinates on a canvas.
fn on_canvas(still: &[u8], size: [u32; 2], [left, top]: [u32; 2], canvas: [u32; 2]) -> Vec<u8> {
    let u24 = |value: u32| value.to_le_bytes()[..3].to_vec();
    let header = [vec![0x02, 0, 0, 0], u24(canvas[0] - 1), u24(canvas[1] - 1)].concat();
    let picture =
        chunks(still).into_iter().find(|(name, _)| name.starts_with(b"VP8") && name != b"VP8X").unwrap();
    let inner = riff(&[(&picture.0, &picture.1)]);
    let frame =
        [u24(left), u24(top), u24(size[0] - 1), u24(size[1] - 1), u24(100), vec![0], inner[12..].to_vec()]
            .concat();
    riff(&[(b"VP8X", &header), (b"ANIM", &[9, 200, 30, 255, 0, 0]), (b"ANMF", &frame)])
}

#[test]
fn webps() {
    let Some(python) = peers::pillow() else { return };
    let mut files = peers::pillow_files(&python, "webp");
    let sizes = [[1, 1], [5, 3], [16, 16], [33, 17]];
    let lossless = files["webp-lossless"].clone();
    let lossy = files["webp-lossy"].clone();
    // 6 lossless and 8 lossy files of each size
    let placed = (0..4).flat_map(|index| {
        let place =
            |still: &[u8]| on_canvas(still, sizes[index], [2, 1], [sizes[index][0] + 9, sizes[index][1] + 4]);
        [place(&lossless[6 * index]), place(&lossy[8 * index])]
    });
    let placed: Vec<_> = placed.collect();
    let photo = lossy.last().unwrap();
    let inner = |name: &[u8; 4], still: &[u8], keep: usize| {
        let content = chunks(still).into_iter().find(|(found, _)| found == name).unwrap().1;
        riff(&[(name, &content[..content.len() * keep / 100])])
    };
    let alpha = files["webp-lossy-alpha"].last().unwrap().clone();
    let without_alpha: Vec<_> =
        chunks(&alpha).into_iter().filter(|(name, _)| name != b"ALPH" && name != b"VP8X").collect();
    let without_alpha: Vec<_> = without_alpha.iter().map(|(name, content)| (name, &content[..])).collect();
    let mut take = |name: &str| files.remove(name).unwrap();
    compare(vec![
        kind("WebP, lossy", Same, take("webp-lossy")),
        kind("WebP, lossless", Same, take("webp-lossless")),
        kind(
            "WebP, alpha (dropped)",
            Same,
            [take("webp-lossy-alpha"), take("webp-lossless-alpha"), vec![riff(&without_alpha)]].concat(),
        ),
        kind("WebP, animated (the first frame)", Same, take("webp-animated")),
        kind("WebP, a first frame smaller than the canvas (black round it)", Same, placed),
        kind("WebP, orientation in EXIF or XMP", Same, take("webp-orientation")),
        kind("WebP, bytes after the end", Noted("bytes after the end"), [[&photo[..], b"more"].concat()]),
        kind("WebP, cut off", Refused("truncated"), {
            [9, 200, photo.len() - 40].map(|bytes| photo[..photo.len() - bytes].to_vec())
        }),
        kind("WebP, fewer pixels than announced", Refused("end early"), {
            [20, 60].into_iter().flat_map(|keep| {
                [inner(b"VP8 ", photo, keep), inner(b"VP8L", lossless.last().unwrap(), keep)]
            })
        }),
        kind("WebP, no pixels", Refused("no pixels"), [riff(&[(b"VP8X", &[0; 10])])]),
    ]);
}

#[test]
fn gifs() {
    let sizes: [(u16, u16); 5] = [(1, 1), (5, 3), (33, 17), (17, 40), (100, 75)];
    let each = |bits: &[u8], make: &dyn Fn(Gif) -> Gif| -> Vec<Vec<u8>> {
        let files = sizes.iter().flat_map(|&(w, h)| bits.iter().map(move |&bits| Gif::new(w, h, bits)));
        files.map(|file| make(file).write()).collect()
    };
    let small = |file: Gif| Gif {
        frame: [7, 3, file.screen[0], file.screen[1]],
        screen: file.screen.map(|side| side + 11),
        ..file
    };
    let transparent = |file: Gif| Gif { transparent: Some(1), ..file };
    let ramp: Vec<u8> = (0..8).flat_map(|grey| [grey; 3]).collect();
    let own_ramp = |file: Gif| Gif { local: Some(ramp.clone()), ..file };
    let shorter = |file: Gif| Gif { global: Some(palette(file.bits - 1, 5)), ..file };
    let plain = Gif::new(33, 17, 4);
    let whole = plain.write();
    let indices = plain.indices();
    let comment = b"!\xfe\x05words\x03and\0".to_vec();
    let many = [&indices[..], &[3; 50]].concat();
    let python = peers::pillow();
    let mut theirs = python.as_ref().map(|python| peers::pillow_files(python, "gif")).unwrap_or_default();
    let mut take = |name: &str| theirs.remove(name).unwrap_or_default();
    compare(vec![
        kind("GIF, as Pillow writes it", Same, take("gif")),
        kind("GIF, 1 to 8 bits", Same, each(&[1, 2, 3, 4, 5, 6, 7, 8], &|file| file)),
        kind("GIF, interlaced", Same, each(&[1, 4, 8], &|file| Gif { interlaced: true, ..file })),
        kind("GIF, a palette of the frame's own", Same, {
            let own = |file: Gif| Gif { local: Some(palette(file.bits, 77)), ..file };
            [each(&[2, 8], &own), each(&[3], &|file| Gif { global: None, ..own(file) })].concat()
        }),
        kind("GIF, no palette, or one of the greys in order", Same, {
            let none = |file: Gif| Gif { global: None, ..file };
            let greys = |file: Gif| Gif { global: Some(ramp.clone()), ..file };
            [each(&[3, 8], &none), each(&[3, 5], &greys), each(&[3], &|file| none(own_ramp(file)))].concat()
        }),
        meant("GIF, greys in order as the frame's own palette, another one for all", Meant, {
            let files = [3, 5].map(|bits| own_ramp(Gif::new(33, 17, bits)));
            files.map(|file| [file.write(), Gif { global: None, ..file }.write()])
        }),
        kind("GIF, fewer colours than the pixels name (black)", Same, each(&[3, 8], &shorter)),
        kind("GIF, transparent colours (dropped)", Same, each(&[2, 8], &transparent)),
        kind(
            "GIF, a first frame smaller than the screen (the transparent index round it, else index 0)",
            Same,
            {
                let own = |file: Gif| Gif { local: Some(palette(file.bits, 77)), ..file };
                let files = [
                    each(&[2, 8], &|file| Gif { background: 3, ..small(file) }),
                    each(&[2, 8], &|file| transparent(small(file))),
                ];
                [
                    files.concat(),
                    each(&[3], &|file| transparent(own(small(file)))),
                    each(&[3], &|file| Gif { global: None, ..small(file) }),
                ]
                .concat()
            },
        ),
        kind(
            "GIF, a first frame larger than the screen",
            Same,
            each(&[4], &|file| Gif { screen: [4, 60], ..file }),
        ),
        kind("GIF, animated (the first frame)", Same, take("gif-animated")),
        kind("GIF, comments and stray bytes before the frame", Same, {
            [comment.clone(), [&comment[..], &[0, 7]].concat()]
                .map(|before| Gif { before, ..plain.clone() }.write())
        }),
        kind("GIF, no end, more pixels than the frame has, bytes after the end", Same, {
            [
                plain.with_indices(&indices, b""),
                plain.with_indices(&many, b";"),
                [&whole[..], b"more"].concat(),
            ]
        }),
        meant("GIF, no end of its frame, all pixels there", Complete("no end"), {
            [2, 3].map(|bytes| [whole[..whole.len() - bytes].to_vec(), whole.clone()])
        }),
        kind(
            "GIF, cut off",
            Refused("truncated"),
            [20, 100, 300].map(|bytes| whole[..whole.len() - bytes].to_vec()),
        ),
        kind(
            "GIF, fewer pixels than announced",
            Refused("end early"),
            [plain.with_indices(&indices[..300], b";")],
        ),
        kind("GIF, no frame", Refused("no frame"), [[&whole[..13 + 3 * 16], b";"].concat()]),
    ]);
}

#[test]
fn bmps() {
    const SIZES: [(i32, i32); 5] = [(1, 1), (5, 3), (33, 17), (17, 40), (64, 9)];
    let each = |bits: &[u16], make: &dyn Fn(Bmp) -> Bmp| -> Vec<Vec<u8>> {
        let files = SIZES.iter().flat_map(|&(w, h)| bits.iter().map(move |&bits| Bmp::new(w, h, bits)));
        files.map(|file| make(file).write()).collect()
    };
    let all = [1, 4, 8, 16, 24, 32];
    let headers = [12, 40, 52, 56, 64, 108, 124];
    let greys = |colours: usize| (0..colours).map(|grey| [grey as u8; 3]).collect::<Vec<_>>();
    let black_and_white = vec![[0; 3], [255; 3]];
    let masked = |header: u32, bits: u16, masks: [u32; 4]| {
        each(&[bits], &|file| Bmp { header, ..file.with_masks(3, masks) })
    };
    let rgb = [0xff_0000, 0xff00, 0xff];
    let run = |bits: u16, data: &[u8]| Bmp {
        compression: if bits == 8 { 1 } else { 2 },
        data: Some(data.to_vec()),
        ..Bmp::new(10, 4, bits)
    };
    // rows from the bottom: runs; values as they are; a jump over a part of two rows; a run, and the end
    let eight =
        [&[10, 7, 0, 0][..], &[0, 5, 1, 2, 3, 4, 5, 0, 5, 9, 0, 0], &[2, 8, 0, 2, 3, 1], &[5, 6, 0, 0, 0, 1]]
            .concat();
    let four = [
        &[10, 0x71, 0, 0][..],
        &[0, 5, 0x12, 0x34, 0x50, 0, 5, 0x9a, 0, 0],
        &[2, 8, 0, 2, 3, 1],
        &[5, 0x63, 0, 0, 0, 1],
    ]
    .concat();
    let long = [&[14, 7, 0, 0][..], &[10, 1, 0, 0, 10, 2, 0, 0, 10, 3]].concat();
    let blank = [&[10, 7, 0, 0][..], &[0, 0], &[10, 1, 0, 0, 10, 2, 0, 0]].concat();
    let black = [&[10, 7, 0, 0][..], &[10, 0, 0, 0], &[10, 1, 0, 0, 10, 2, 0, 0]].concat();
    let whole = Bmp::new(33, 17, 24).write();
    let of_two = Bmp { palette: black_and_white.clone(), colours: 2, ..Bmp::new(33, 17, 8) };
    let bits: Vec<u8> = noise(36 * 17).into_iter().map(|byte| byte >> 7).collect();
    let of_two = Bmp { data: Some(bits), ..of_two };
    let of_three = Bmp { palette: vec![[0; 3], [255; 3], [9; 3]], colours: 3, ..of_two.clone() };
    let sixteen = Bmp { palette: greys(16), colours: 16, ..Bmp::new(33, 17, 4) };
    let mut seventeen = greys(16);
    seventeen.push([9; 3]);
    let seventeen = Bmp { palette: seventeen, colours: 17, ..sixteen.clone() };
    let python = peers::pillow();
    let theirs = python.as_ref().map(|python| peers::pillow_files(python, "bmp")).unwrap_or_default();
    compare(vec![
        kind("BMP, as Pillow writes it", Same, theirs.into_values().flatten()),
        kind("BMP, 1, 4, 8, 16, 24 and 32 bits, every header", Same, {
            headers.iter().flat_map(|&header| each(&all, &|file| Bmp { header, ..file }))
        }),
        kind("BMP, rows from the top", Same, each(&all, &|file| Bmp { h: -file.h, ..file })),
        kind("BMP, few colours, or greys in order", Same, {
            let few = |file: Bmp| Bmp { palette: noise(33).as_chunks::<3>().0.to_vec(), colours: 11, ..file };
            let two = |file: Bmp| Bmp { palette: black_and_white.clone(), ..file };
            let ramp = |file: Bmp| Bmp { palette: greys(256), ..file };
            let short = |file: Bmp| Bmp { palette: greys(90), colours: 90, ..file };
            [each(&[4, 8], &few), each(&[1], &two), each(&[8], &ramp), each(&[8], &short)].concat()
        }),
        kind("BMP, no place of the pixels given", Same, each(&all, &|file| Bmp { offset: false, ..file })),
        kind("BMP, bit masks of whole bytes, 5-5-5 and 5-6-5", Same, {
            [
                masked(40, 16, [0xf800, 0x7e0, 0x1f, 0]),
                masked(56, 16, [0x7c00, 0x3e0, 0x1f, 0x8000]),
                masked(40, 32, [rgb[0], rgb[1], rgb[2], 0]),
                masked(108, 32, [rgb[0], rgb[1], rgb[2], 0xff00_0000]),
                masked(124, 32, [0xff, 0xff00, 0xff_0000, 0xff00_0000]),
                masked(56, 32, [0xff00_0000, 0xff_0000, 0xff00, 0xff]),
                masked(52, 32, [0xff00_0000, 0xff00, 0xff, 0]),
                masked(40, 24, [rgb[0], rgb[1], rgb[2], 0]),
                masked(40, 32, [0; 4]),
            ]
            .concat()
        }),
        kind("BMP, run lengths of 8 and 4 bits", Same, {
            let top = Bmp { h: -4, ..run(8, &eight) };
            [
                run(8, &eight).write(),
                run(4, &four).write(),
                run(8, &long).write(),
                run(4, &long).write(),
                top.write(),
            ]
        }),
        meant("BMP, run lengths with an empty row", Meant, {
            [[run(8, &blank).write(), run(8, &black).write()]]
        }),
        meant("BMP, 8 bits, two colours, black and white", Meant, [[of_two.write(), of_three.write()]]),
        meant(
            "BMP, 4 bits, sixteen colours, the darkest greys in order",
            Meant,
            [[sixteen.write(), seventeen.write()]],
        ),
        kind(
            "BMP, cut off",
            Refused("truncated"),
            [9, 200, whole.len() - 30].map(|bytes| whole[..whole.len() - bytes].to_vec()),
        ),
        kind("BMP, run lengths that end early", Refused("end early"), {
            [run(8, &eight[..12]).write(), run(8, &eight[..21]).write(), run(4, &[10, 7, 0, 0, 0, 1]).write()]
        }),
        kind("BMP, other bit masks", Refused("bit masks"), masked(40, 16, [0xf00, 0xf0, 0xf, 0])),
        kind(
            "BMP, other numbers of bits",
            Refused("bits a pixel"),
            [Bmp { bits: 2, ..Bmp::new(8, 8, 1) }.write()],
        ),
        kind("BMP, JPEG, PNG or fax codes inside", Refused("of compression"), {
            [4, 5].map(|compression| Bmp { compression, ..Bmp::new(8, 8, 24) }.write())
        }),
        kind("BMP, no pixels", Refused("no pixels"), [Bmp::new(0, 8, 24).write()]),
    ]);
}
