//! Computes what a frozen part gives, once for each view of each picture, and goes on where an earlier process stopped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plusx_data::{AugmentPlan, Batch, BatchPlan, Loader};
use plusx_model::executor::{Executor, Images};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::error::TrainError;
use crate::features::{FORMAT, FeatureFile, FeaturePart, FeaturePlan, Unfinished, hex};
use crate::freezing::{AT_A_TIME, KeptValues};
use crate::job::Job;

/// The folder of files with kept values, beside the runs.
const FOLDER: &str = "features";

/// What is kept in a run whose executor holds the parameters.
pub(super) fn feature_plan<E: Executor>(
    job: &Job,
    executor: &E,
    values: KeptValues,
) -> Result<FeaturePlan, TrainError> {
    let options = &job.options;
    let training = &job.header.training;
    let augment = options.augment().map(|augment| format!("{augment:?}, seed {}", options.seed));
    let ground = json!({
        "format": FORMAT,
        "version": training.version,
        "arithmetic": training.arithmetic,
        "data": training.identity.data_sha256,
        "preprocess": format!("{:?}", job.header.model.preprocess),
        "augment": augment,
        "views": values.views,
    });
    let mut hash = Sha256::new();
    hash.update(ground.to_string());
    job.samples.iter().for_each(|sample| hash.update(sample.to_le_bytes()));
    hash_head(&mut hash, executor, values)?;
    let identity = hex(hash);
    let folder = options.output.join(FOLDER);
    let model = options.model.replace(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c), "-");
    let path = folder.join(format!("{model}-{}.safetensors", &identity[..16]));
    Ok(FeaturePlan { path, identity, values, pictures: [job.samples.len(), job.val.len()] })
}

/// The part before the node and its parameters.
fn hash_head<E: Executor>(hash: &mut Sha256, executor: &E, values: KeptValues) -> Result<(), TrainError> {
    let graph = executor.graph();
    let head = graph.split_at(values.node)?.head;
    for node in &head.nodes {
        hash.update(format!("{:?} {:?} {}\n", node.op, node.inputs, node.shape));
    }
    let params = executor.params();
    for (spec, numbers) in params.iter().filter(|(spec, _)| head.params.contains(spec)) {
        hash.update(format!("{} {:?}\n", spec.name, spec.dims));
        numbers.iter().for_each(|number| hash.update(number.to_le_bytes()));
    }
    Ok(())
}

/// How often what was computed is confirmed on disk.
const CONFIRM_EVERY: Duration = Duration::from_secs(20);

/// Makes the file of `plan`. The executor runs the whole network on images. `go_on` hears how many rows are done and may end
/// it, which then gives `None`; what was computed is kept. A picture that cannot be read has a row of no numbers (NaN).
pub(super) fn make<E: Executor>(
    job: &Job,
    executor: &mut E,
    plan: &FeaturePlan,
    go_on: &mut dyn FnMut(usize) -> bool,
) -> Result<Option<FeatureFile>, TrainError> {
    let mut file = Unfinished::open(plan)?;
    let parts = (0..plan.values.views).map(FeaturePart::Train).chain([FeaturePart::Validation]);
    let (mut before, mut confirmed) = (0, Instant::now());
    let mut rows = Vec::new();
    for part in parts {
        let pictures = plan.pictures[usize::from(part == FeaturePart::Validation)];
        let done = file.rows().saturating_sub(before);
        before += pictures;
        if done >= pictures {
            continue;
        }
        let order = match part {
            FeaturePart::Train(_) => job.samples[done..].to_vec(),
            FeaturePart::Validation => (done as u32..pictures as u32).collect(),
        };
        let mut loader = picture_loader(job, part, order.clone());
        let mut batches = order.chunks(AT_A_TIME);
        while let Some(batch) = loader.next() {
            let batch = batch?;
            rows.clear();
            fill(executor, plan, &batch, batches.next().unwrap_or_default(), &mut rows)?;
            file.push(&rows)?;
            loader.recycle(batch);
            if confirmed.elapsed() >= CONFIRM_EVERY {
                file.confirm()?;
                confirmed = Instant::now();
            }
            if !go_on(file.rows()) {
                file.confirm()?;
                return Ok(None);
            }
        }
    }
    file.finish().map(Some)
}

/// The rows of the pictures that were asked for; `batch` has those of them that can be read, in the same order.
fn fill<E: Executor>(
    executor: &mut E,
    plan: &FeaturePlan,
    batch: &Batch,
    wanted: &[u32],
    rows: &mut Vec<f32>,
) -> Result<(), TrainError> {
    let width = plan.row();
    let mut values = Vec::new();
    if batch.n > 0 {
        let images = Images { data: &batch.images, n: batch.n };
        let found = executor.infer(images, &[plan.values.node]).map_err(TrainError::executor)?;
        values = found.into_iter().next().map(|value| value.data).unwrap_or_default();
    }
    let mut found = batch.indices.iter().zip(values.chunks_exact(width)).peekable();
    for picture in wanted {
        match found.next_if(|(index, _)| *index == picture) {
            Some((_, row)) => rows.extend(row),
            None => rows.extend(std::iter::repeat_n(f32::NAN, width)),
        }
    }
    Ok(())
}

/// What loads pictures `order` as a part has them: at random as that view, or as they are measured on.
pub(super) fn picture_loader(job: &Job, part: FeaturePart, order: Vec<u32>) -> Loader {
    let view =
        |epoch| job.options.augment().map(|augment| AugmentPlan { augment, seed: job.options.seed, epoch });
    let (split, augment) = match part {
        FeaturePart::Train(epoch) => (&job.train, view(epoch)),
        FeaturePart::Validation => (&job.val, None),
    };
    let plan = BatchPlan {
        order,
        batch_size: AT_A_TIME,
        first: 0,
        preprocess: job.header.model.preprocess.clone(),
        augment,
        threads: job.threads,
    };
    Loader::new(Arc::clone(split), plan)
}
