//! Runs on pictures of files draw their first batch; runs on images in memory, as they are, draw nothing.

mod fake;
mod stripes;

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use fake::Fake;
use plusx_data::{DataError, Dataset, Pixels, Samples};
use plusx_model::shape::ImageShape;
use plusx_train::{Stop, TrainOptions, run_on};

/// Pictures whose sizes are known when they are read.
#[derive(Debug)]
struct Unread(Arc<dyn Samples>);

impl Samples for Unread {
    fn labels(&self) -> &[u32] {
        self.0.labels()
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        self.0.name(index)
    }

    fn read<'a>(&'a self, index: usize, buffer: &'a mut Vec<u8>) -> Result<Pixels<'a>, DataError> {
        self.0.read(index, buffer)
    }

    fn channels(&self) -> usize {
        self.0.channels()
    }

    fn shape(&self) -> Option<ImageShape> {
        None
    }

    fn bytes(&self) -> usize {
        0
    }

    fn pictures_sha256(&self) -> String {
        self.0.pictures_sha256()
    }
}

fn train(output: &Path, data: Dataset) {
    let options = TrainOptions {
        model: "softmax".into(),
        data: "stripes".into(),
        resize: stripes::SIDE,
        epochs: 2,
        batch_size: 8,
        output: output.into(),
        name: Some("run".into()),
        exist_ok: true,
        ..TrainOptions::default()
    };
    run_on(&mut Fake::new(), &options, data, &Stop::new(), &mut |_: &plusx_train::Event| {}).unwrap();
}

#[test]
fn the_first_batch_of_files_is_drawn_and_goes_with_its_run() {
    let output = tempfile::tempdir().unwrap();
    let file = output.path().join("run/train_batch0.png");
    let data = || stripes::dataset(20, 8);
    train(output.path(), Dataset { train: Arc::new(Unread(data().train)), ..data() });
    assert!(std::fs::read(&file).unwrap().starts_with(b"\x89PNG"));
    train(output.path(), data());
    assert!(!file.exists(), "a run that draws none leaves none of an earlier one");
}
