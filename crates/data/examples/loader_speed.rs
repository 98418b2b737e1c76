//! Images a second of the loader alone: `cargo run --release -p plusx-data --example loader_speed -- FOLDER THREADS CACHE EPOCHS`,
//! CACHE `ram` or `off`. `tools/bench_loader.py` runs it in turns with torchvision's.
//!
//! Each picture is decoded; a random part of it is resized to 224x224, half of them are flipped, all are normalised.

use plusx_data::{Augment, AugmentPlan, BatchPlan, Cached, Crop, FindOptions, Loader, open};
use plusx_model::preprocess::Preset;
use plusx_model::random::shuffle;
use plusx_model::shape::ImageShape;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, threads, cache, epochs] = &arguments[..] else {
        return Err("FOLDER THREADS CACHE EPOCHS".into());
    };
    let find = FindOptions { data_dir: Some(folder.into()), ..FindOptions::default() };
    let mut pictures = open(None, &find, &mut |remark| eprintln!("{remark}"))?.train;
    if cache == "ram" {
        pictures = Arc::new(Cached::in_memory(pictures, None, u64::MAX));
    }
    let augment = Augment {
        crop: Crop::RandomResized { scale: [0.08, 1.0], ratio: [0.75, 4.0 / 3.0] },
        hflip: 0.5,
        ..Augment::default()
    };
    for epoch in 0..epochs.parse()? {
        let plan = BatchPlan {
            order: shuffle(pictures.len(), 42, epoch),
            batch_size: 32,
            first: 0,
            preprocess: Preset::Imagenet.record(ImageShape::new(3, 224, 224)),
            augment: Some(AugmentPlan { augment, seed: 42, epoch }),
            threads: threads.parse()?,
        };
        let start = Instant::now();
        let (mut loader, mut images) = (Loader::new(Arc::clone(&pictures), plan), 0);
        while let Some(batch) = loader.next() {
            let batch = batch?;
            images += batch.n;
            loader.recycle(batch);
        }
        println!("{:.1}", images as f64 / start.elapsed().as_secs_f64());
    }
    Ok(())
}
