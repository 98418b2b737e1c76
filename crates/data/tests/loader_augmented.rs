//! What a loader does at random is a function of seed, epoch and picture: threads, batches and resumes have no say.

use plusx_data::{
    Augment, AugmentPlan, BatchPlan, Crop, DataError, EraseWith, InMemory, Loader, Pixels, Policy, Samples,
    Warp,
};
use plusx_model::ErrorKind;
use plusx_model::preprocess::Preset;
use plusx_model::shape::ImageShape;
use std::borrow::Cow;
use std::sync::Arc;

const N: u32 = 23;

/// Pictures of many sizes, grey and coloured.
#[derive(Debug)]
struct Mixture(Vec<u32>);

impl Samples for Mixture {
    fn labels(&self) -> &[u32] {
        &self.0
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        index.to_string().into()
    }

    fn read<'a>(&'a self, index: usize, buffer: &'a mut Vec<u8>) -> Result<Pixels<'a>, DataError> {
        let shape = ImageShape::new([1, 3][index % 2], 9 + index * 7 % 20, 9 + index * 5 % 17);
        buffer.clear();
        buffer.extend(
            (0..shape.len() as u32).map(|i| ((i ^ index as u32).wrapping_mul(2_654_435_761) >> 24) as u8),
        );
        Ok(Pixels { bytes: buffer, shape })
    }

    fn channels(&self) -> usize {
        3
    }

    fn shape(&self) -> Option<ImageShape> {
        None
    }

    fn bytes(&self) -> usize {
        0
    }

    fn pictures_sha256(&self) -> String {
        String::new()
    }
}

fn everything() -> Augment {
    Augment {
        crop: Crop::RandomResized { scale: [0.08, 1.0], ratio: [0.75, 4.0 / 3.0] },
        hflip: 0.5,
        vflip: 0.5,
        jitter: [0.4, 0.4, 0.4, 0.1],
        rotation: 15.0,
        policy: Policy::RandAugment { ops: 2, magnitude: 9 },
        warp: Warp::Bilinear,
        erase: 0.5,
        erase_with: EraseWith::Noise,
    }
}

fn plan(epoch: u32, batch_size: usize, channels: usize) -> BatchPlan {
    BatchPlan {
        // an order that is not that of the pictures
        order: (0..N).map(|i| i * 7 % N).collect(),
        batch_size,
        first: 0,
        preprocess: Preset::Imagenet.record(ImageShape::new(channels, 12, 14)),
        augment: Some(AugmentPlan { augment: everything(), seed: 9, epoch }),
        threads: 1,
    }
}

/// The bits of all images, one after the other.
fn images(plan: BatchPlan) -> Vec<u32> {
    let mut loader = Loader::new(Arc::new(Mixture(vec![0; N as usize])), plan);
    let mut all = Vec::new();
    while let Some(batch) = loader.next() {
        let batch = batch.unwrap();
        assert!(batch.left_out.is_empty());
        all.extend(batch.images.iter().map(|value| value.to_bits()));
        loader.recycle(batch);
    }
    all
}

#[test]
fn threads_batches_and_resumes_have_no_say() {
    for channels in [1, 3] {
        let len = 12 * 14 * channels;
        let whole = images(plan(2, 5, channels));
        assert_eq!(whole.len(), N as usize * len);
        for threads in [2, 5] {
            assert!(images(BatchPlan { threads, ..plan(2, 5, channels) }) == whole, "{threads} threads");
        }
        for batch_size in [1, 8, 64] {
            assert!(images(plan(2, batch_size, channels)) == whole, "batches of {batch_size}");
        }
        for first in [1, 3, 4] {
            let rest = images(BatchPlan { first, threads: 2, ..plan(2, 5, channels) });
            assert!(rest == whole[first * 5 * len..], "from batch {first} on");
        }
    }
}

#[test]
fn epochs_and_seeds_differ_in_every_image() {
    let whole = images(plan(2, 5, 3));
    let mut reseeded = plan(2, 5, 3);
    reseeded.augment = Some(AugmentPlan { augment: everything(), seed: 10, epoch: 2 });
    for (what, other) in [("epoch", images(plan(3, 5, 3))), ("seed", images(reseeded))] {
        let pairs = whole.chunks_exact(12 * 14 * 3).zip(other.chunks_exact(12 * 14 * 3));
        assert!(pairs.into_iter().all(|(one, other)| one != other), "another {what}");
    }
}

#[test]
fn an_augmentation_that_does_nothing_changes_nothing() {
    for channels in [1, 3] {
        let mut idle = plan(0, 5, channels);
        idle.augment = Some(AugmentPlan { augment: Augment::default(), seed: 1, epoch: 0 });
        let none = BatchPlan { augment: None, ..idle.clone() };
        assert!(images(idle) == images(none), "{channels} channels");
    }
}

#[test]
fn numbers_out_of_range_are_an_error_before_the_first_batch() {
    let split = InMemory { images: vec![0; 4], labels: vec![0], shape: ImageShape::new(1, 2, 2) };
    let augment = Augment { hflip: 1.5, ..Augment::default() };
    let wrong = BatchPlan {
        order: vec![0],
        augment: Some(AugmentPlan { augment, seed: 0, epoch: 0 }),
        ..plan(0, 1, 1)
    };
    let mut loader = Loader::new(Arc::new(split), wrong);
    let error = loader.next().unwrap().unwrap_err();
    assert!(error.to_string().contains("hflip") && error.kind() == ErrorKind::Usage, "{error}");
    assert!(loader.next().is_none());
}
