//! `train_batch0.png`: the first images that a run learns from, as the network sees them. Whoever looks at it sees at once
//! whether classes, colours and augmentation are what was meant.

use std::io::Cursor;

use kuva::backend::png::PngBackend;
use kuva::render::render::{Primitive, Scene, TextAnchor};
use plusx_data::Batch;
use plusx_formats::{ModelFile, atomic};
use plusx_model::preprocess::Preprocess;

use crate::folder::Folder;
use crate::run_files::TRAIN_BATCH;

/// Images shown, at most.
const MOST: usize = 16;
/// Pixels of all images together, at most, unless one has more: the page must not outgrow the run.
const MOST_PIXELS: usize = 4 << 20;
/// Images in a row, at most.
const COLUMNS: usize = 4;
/// Pixels of the shorter side of an image that is shown, at least.
const SIDE: usize = 96;
/// White between images.
const GAP: usize = 8;
/// Height of the line below an image, and of its letters.
const LINE: usize = 18;
const LETTERS: u32 = 12;
/// Width of a letter of that height, about.
const LETTER: usize = 7;

/// Where the images are put.
struct Grid {
    /// Each pixel becomes a square of so many.
    zoom: usize,
    /// Pixels of an image that is shown.
    h: usize,
    w: usize,
    columns: usize,
    n: usize,
}

/// Draws the file anew. The error is in words: a picture that cannot be drawn is no reason to stop a run.
pub(crate) fn draw(folder: &Folder, batch: &Batch, model: &ModelFile) -> Result<(), String> {
    if batch.n == 0 {
        return Ok(());
    }
    let path = folder.file(TRAIN_BATCH);
    let png = picture(batch, model).map_err(|error| format!("{}: {error}", path.display()))?;
    atomic::write(&path, &png).map_err(|error| error.to_string())
}

/// The file: names drawn by the plotting library, the images put beside them pixel by pixel.
fn picture(batch: &Batch, model: &ModelFile) -> Result<Vec<u8>, String> {
    let record = &model.preprocess;
    let grid = Grid::of(batch.n, record);
    let mut page = decode(&PngBackend::new().with_scale(1.0).render_scene(&grid.names(batch, model))?)?;
    let input = record.input;
    for (place, values) in batch.images.chunks_exact(input.len()).take(grid.n).enumerate() {
        let [top, left] = grid.corner(place);
        for y in 0..grid.h {
            for x in 0..grid.w {
                let pixel = (y / grid.zoom * input.w + x / grid.zoom) * input.c;
                let rgb = colour(&values[pixel..][..input.c], record);
                page.pixels[((top + y) * page.w + left + x) * 3..][..3].copy_from_slice(&rgb);
            }
        }
    }
    page.encode()
}

/// Red, green and blue of a pixel's values: the normalisation undone. One channel is grey.
fn colour(values: &[f32], record: &Preprocess) -> [u8; 3] {
    std::array::from_fn(|channel| {
        let channel = channel.min(values.len() - 1);
        let value = values[channel] * record.std[channel] + record.mean[channel];
        // `as` keeps it inside
        (value * 255.0).round() as u8
    })
}

impl Grid {
    fn of(images: usize, record: &Preprocess) -> Self {
        let (h, w) = (record.input.h, record.input.w);
        let zoom = SIDE.div_ceil(h.min(w)).max(1);
        let n = images.min(MOST).min((MOST_PIXELS / (h * w * zoom * zoom)).max(1));
        Self { zoom, h: h * zoom, w: w * zoom, columns: n.min(COLUMNS), n }
    }

    /// First row and column of an image.
    fn corner(&self, place: usize) -> [usize; 2] {
        let (row, column) = (place / self.columns, place % self.columns);
        [GAP + row * (self.h + LINE + GAP), GAP + column * (self.w + GAP)]
    }

    /// A white page with the name of each image's class below its place.
    fn names(&self, batch: &Batch, model: &ModelFile) -> Scene {
        let rows = self.n.div_ceil(self.columns);
        let [height, width] =
            [rows * (self.h + LINE + GAP) + GAP, self.columns * (self.w + GAP) + GAP].map(|side| side as f64);
        let mut page = Scene::new(width, height);
        for (place, label) in batch.labels.iter().take(self.n).enumerate() {
            let [top, left] = self.corner(place);
            page.elements.push(Primitive::Text {
                x: left as f64 + self.w as f64 / 2.0,
                y: (top + self.h + LINE - 4) as f64,
                content: shortened(&model.classes[*label as usize], self.w / LETTER),
                size: LETTERS,
                anchor: TextAnchor::Middle,
                rotate: None,
                bold: false,
                color: None,
            });
        }
        page
    }
}

/// A name of at most `most` letters.
fn shortened(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        return name.to_owned();
    }
    name.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// A page, `[h][w][3]`.
struct Page {
    pixels: Vec<u8>,
    w: usize,
    h: usize,
}

/// A page of the plotting library: eight bits, with an opacity that is the same everywhere.
fn decode(png: &[u8]) -> Result<Page, String> {
    let mut reader = png::Decoder::new(Cursor::new(png)).read_info().map_err(|error| error.to_string())?;
    let mut bytes = vec![0; reader.output_buffer_size().ok_or("the page is too large")?];
    let frame = reader.next_frame(&mut bytes).map_err(|error| error.to_string())?;
    if (frame.color_type, frame.bit_depth) != (png::ColorType::Rgba, png::BitDepth::Eight) {
        return Err(format!("the page has {:?} pixels", frame.color_type));
    }
    let pixels = bytes.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
    Ok(Page { pixels, w: frame.width as usize, h: frame.height as usize })
}

impl Page {
    fn encode(&self) -> Result<Vec<u8>, String> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.w as u32, self.h as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let written = encoder.write_header().and_then(|mut writer| {
            writer.write_image_data(&self.pixels)?;
            writer.finish()
        });
        written.map_err(|error| error.to_string())?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plusx_data::{BatchPlan, FindOptions, Loader, load};
    use plusx_model::preprocess::Preset;
    use plusx_model::shape::ImageShape;

    fn first(n: usize, input: ImageShape) -> (Batch, ModelFile) {
        let set = load("fashion-mnist-mini", &FindOptions::default()).unwrap();
        let preprocess = Preset::Imagenet.record(input);
        let plan = BatchPlan {
            order: (0..n as u32).collect(),
            batch_size: n,
            first: 0,
            preprocess: preprocess.clone(),
            augment: None,
            threads: 1,
        };
        let batch = Loader::new(set.train, plan).next().unwrap().unwrap();
        let model = ModelFile {
            architecture: "resnet20".into(),
            classes: set.classes,
            preprocess,
            metrics: Default::default(),
            training: None,
        };
        (batch, model)
    }

    #[test]
    fn the_images_stand_in_the_grid_and_names_below() {
        for (n, input, rows, columns) in [
            (20, ImageShape::new(3, 32, 40), 4, 4),
            (6, ImageShape::new(1, 100, 100), 2, 4),
            (1, ImageShape::new(1, 7, 5), 1, 1),
        ] {
            let (batch, model) = first(n, input);
            let png = picture(&batch, &model).unwrap();
            let mut reader = png::Decoder::new(Cursor::new(&png[..])).read_info().unwrap();
            let mut page = vec![0; reader.output_buffer_size().unwrap()];
            let frame = reader.next_frame(&mut page).unwrap();
            let zoom = 96_usize.div_ceil(input.h.min(input.w));
            let [h, w] = [input.h * zoom, input.w * zoom];
            assert!(h >= 96 && w >= 96);
            let [height, width] = [rows * (h + LINE + GAP) + GAP, columns * (w + GAP) + GAP];
            assert_eq!([frame.height as usize, frame.width as usize], [height, width]);
            let at = |y: usize, x: usize| &page[(y * width + x) * 3..][..3];
            for place in 0..n.min(16) {
                let [top, left] =
                    [GAP + place / columns * (h + LINE + GAP), GAP + place % columns * (w + GAP)];
                for (y, x) in (0..h).step_by(3).flat_map(|y| (0..w).step_by(5).map(move |x| (y, x))) {
                    let value = |channel: usize| {
                        let place = ((place * input.h + y / zoom) * input.w + x / zoom) * input.c;
                        let channel = channel.min(input.c - 1);
                        let record = &model.preprocess;
                        batch.images[place + channel] * record.std[channel] + record.mean[channel]
                    };
                    for channel in 0..3 {
                        let found = f32::from(at(top + y, left + x)[channel]) / 255.0;
                        assert!((found - value(channel)).abs() < 0.0021, "{place}: {found}");
                    }
                }
                // something is written below, and nothing beside
                let dark = |x: std::ops::Range<usize>| {
                    let line = (top + h)..(top + h + LINE);
                    line.flat_map(|y| x.clone().map(move |x| (y, x)))
                        .filter(|(y, x)| at(*y, *x)[0] < 128)
                        .count()
                };
                assert!(dark(left..left + w) > 10, "{place}");
                assert_eq!(dark(left - 2..left), 0, "{place}");
            }
        }
    }

    #[test]
    fn of_large_images_only_as_many_are_shown_as_a_page_takes() {
        let images = |side| Grid::of(20, &Preprocess::chapter(ImageShape::new(3, side, side))).n;
        assert_eq!([224, 512, 1024, 4096].map(images), [16, 16, 4, 1]);
    }

    #[test]
    fn long_names_are_shortened() {
        assert_eq!(shortened("ankle boot", 10), "ankle boot");
        assert_eq!(shortened("ankle boots", 10), "ankle boo…");
    }
}
