//! The sample embedded in the program: the first 600 training and 100 test images of each class of Fashion-MNIST, in
//! file order. `cargo run -p plusx-data --example make_mini` cuts it from the full set.

use crate::dataset::Dataset;
use crate::memory::{InMemory, Named};
use crate::{DataError, idx};
use std::path::Path;

/// Name of the sample on the command line.
pub(crate) const NAME: &str = "fashion-mnist-mini";

/// What stands where the folder of other sets does.
const SOURCE: &str = "embedded";

/// The notice that has to travel with the images.
const NOTICE: &str = include_str!("../assets/fashion-mnist-mini/LICENSE");

macro_rules! asset {
    ($name:literal) => {
        Named {
            path: &Path::new(SOURCE).join($name),
            content: include_bytes!(concat!("../assets/fashion-mnist-mini/", $name)).as_slice(),
        }
    };
}

/// Licence notices of what this crate embeds, as pairs of what it is and its full text.
pub fn licenses() -> Vec<(&'static str, &'static str)> {
    vec![("fashion-mnist-mini: 7,000 images of Fashion-MNIST, embedded in this program", NOTICE)]
}

/// Unpacks the sample.
pub(crate) fn load() -> Result<Dataset, DataError> {
    let train = unpack(asset!("train-images-idx3-ubyte.gz"), asset!("train-labels-idx1-ubyte.gz"))?;
    let test = unpack(asset!("t10k-images-idx3-ubyte.gz"), asset!("t10k-labels-idx1-ubyte.gz"))?;
    Ok(Dataset::with_fashion_classes(NAME, train, test, SOURCE))
}

fn unpack(images: Named<'_, &[u8]>, labels: Named<'_, &[u8]>) -> Result<InMemory, DataError> {
    let pixels = idx::parse(images.content, images.path)?;
    let numbers = idx::labels(labels.content, labels.path)?.content;
    InMemory::join(
        Named { path: images.path, content: pixels },
        Named { path: labels.path, content: numbers },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use plusx_model::shape::ImageShape;

    #[test]
    fn the_sample_is_balanced_and_complete() {
        let set = load().unwrap();
        for (split, each) in [(&set.train, 600), (&set.val, 100)] {
            for class in 0..10 {
                assert_eq!(split.labels().iter().filter(|&&label| label == class).count(), each);
            }
        }
        assert_eq!((set.name.as_str(), set.source.as_str()), ("fashion-mnist-mini", "embedded"));
        // the full set opens with an ankle boot, so does the sample
        assert_eq!((set.train.labels()[0], set.train.shape()), (9, Some(ImageShape::new(1, 28, 28))));
    }

    #[test]
    fn the_notice_travels_with_it() {
        let text = licenses().into_iter().map(|(_, text)| text).collect::<String>();
        assert!(text.contains("Zalando SE") && text.contains("The MIT License"), "{text}");
    }
}
