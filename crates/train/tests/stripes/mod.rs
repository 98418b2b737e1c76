//! A small data set made of nothing: enough to learn, too little to wait for.

use plusx_data::{Dataset, InMemory};
use plusx_model::shape::ImageShape;

/// Classes of [`dataset`].
pub(crate) const CLASSES: usize = 6;
/// Side of its images.
pub(crate) const SIDE: usize = 4;

/// Images whose class lights up some pixels above a noise floor.
pub(crate) fn dataset(train: usize, test: usize) -> Dataset {
    of(images(train, 1), images(test, 2))
}

/// A data set of these parts.
pub(crate) fn of(train: InMemory, test: InMemory) -> Dataset {
    let classes = (0..CLASSES).map(|class| format!("stripe {class}")).collect();
    Dataset::in_memory("stripes", classes, train, test, "made up")
}

/// `n` images, of which half are noise.
pub(crate) fn images(n: usize, seed: u32) -> InMemory {
    let shape = ImageShape::new(1, SIDE, SIDE);
    let mut noise = seed;
    let mut next = move || {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (noise >> 24) as u8
    };
    let labels: Vec<u32> = (0..n).map(|index| (index % CLASSES) as u32).collect();
    let mut images = Vec::with_capacity(n * shape.len());
    for label in &labels {
        for pixel in 0..shape.len() {
            let lit = pixel % CLASSES == *label as usize;
            images.push(next() / 2 + if lit { 70 } else { 0 });
        }
    }
    InMemory { images, labels, shape }
}
