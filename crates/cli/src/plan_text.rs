//! What is about to be done, for people: the plan of a run and that of a comparison.

use crate::screen::{bytes, duration};
use plusx_model::summary::thousands;
use plusx_model::words::counted;
use plusx_train::{ComparePlan, PlanReport, TimeReport};

/// How long a run is: "5 epochs of 235 steps of 256 images", or "of 4 x 64 images".
fn steps(plan: &PlanReport) -> String {
    let [epochs, steps, images] = [
        (u64::from(plan.epochs), "epoch"),
        (plan.steps_per_epoch, "step"),
        (plan.batch_size as u64, "image"),
    ]
    .map(|(count, noun)| counted(count, noun));
    match plan.grad_accum_steps {
        1 => format!("{epochs} of {steps} of {images}"),
        batches => format!("{epochs} of {steps} of {batches} x {images}"),
    }
}

/// The plan of a run for people, a few lines.
pub(crate) fn run_text(plan: &PlanReport) -> String {
    let mut text = String::new();
    if let Some(pretrained) = &plan.pretrained {
        text += &format!("starting from {pretrained}\n");
    }
    if let Some(pictures) = &plan.pictures {
        text += &format!("images: {pictures}\n");
    }
    text += &format!(
        "{model}: {parameters} parameters, {macs:.1} million multiply-adds an image of {input}\n\
         {data} from {source}: {train} and {test}\n\
         {steps}, {threads}, {isa}, {memory} of memory\n\
         estimated time: {time}",
        model = plan.model,
        parameters = thousands(plan.parameters),
        macs = plan.macs as f64 / 1e6,
        input = plan.input,
        data = plan.data,
        source = plan.data_source,
        train = counted(plan.train_images as u64, "training image"),
        test = counted(plan.test_images as u64, &format!("{} image", plan.held_out)),
        steps = steps(plan),
        threads = counted(plan.threads as u64, "thread"),
        isa = arithmetic(plan),
        memory = bytes(plan.memory_bytes),
        time = duration(plan.estimate_seconds),
    );
    if let Some(schedule) = &plan.schedule {
        text += &format!("\nlearning rate: {schedule}");
    }
    if let Some(frozen) = &plan.frozen {
        text += &format!("\nfrozen: {frozen}");
    }
    if let Some(layer_decay) = &plan.layer_decay {
        text += &format!("\nlearning rate of a layer: {layer_decay}");
    }
    if let Some(time) = &plan.time {
        text += &format!("\n{}", time_text(time));
        for change in &time.changed {
            text += &format!("\nnote: {change}");
        }
    }
    for note in plan.notes.iter().chain(&plan.hint) {
        text += &format!("\nnote: {note}");
    }
    text
}

/// Instruction set, and the precision if it is not the highest.
fn arithmetic(plan: &PlanReport) -> String {
    plan.precision
        .as_ref()
        .map_or_else(|| plan.isa.clone(), |precision| format!("{}, precision {precision}", plan.isa))
}

/// How a run was fitted into its time.
fn time_text(time: &TimeReport) -> String {
    let how = match time.measured {
        true => "measured on this machine",
        false => "guessed; the run measures before it begins",
    };
    format!(
        "time: the run ends after about {} of {} ({:.1} images/s, {how})",
        duration(time.expected),
        duration(time.limit as f64),
        time.img_per_s
    )
}

/// Seconds after which a comparison is one that nobody waits for without having been told.
const LONG: f64 = 3600.0;

/// The plan of a comparison for people, a line for each network and a few more.
pub(crate) fn comparison_text(plan: &ComparePlan) -> String {
    let name = plan.models.iter().map(|model| model.model.len()).max().unwrap_or(0);
    let mut lines: Vec<String> = plan
        .models
        .iter()
        .map(|model| {
            format!(
                "{:name$}  {:>11} parameters  {:>9.1} million multiply-adds an image  {:>9} of memory  {:>12} a run",
                model.model,
                thousands(model.parameters),
                model.macs as f64 / 1e6,
                bytes(model.memory_bytes),
                duration(model.estimate_seconds)
            )
        })
        .collect();
    if let Some(first) = plan.models.first() {
        lines.push(format!(
            "{} from {}: {} and {} of {}",
            first.data,
            first.data_source,
            counted(first.train_images as u64, "training image"),
            counted(first.test_images as u64, &format!("{} image", first.held_out)),
            first.input
        ));
        lines.push(format!(
            "{} each, {}, errors every {} on {}, {}, {}",
            counted(plan.seeds.into(), "seed"),
            steps(first),
            counted(plan.measure_every, "step"),
            counted(plan.measure_images, "test image"),
            counted(first.threads as u64, "thread"),
            arithmetic(first)
        ));
    }
    lines.push(format!("estimated time: {}", duration(plan.estimate_seconds)));
    if plan.estimate_seconds > LONG {
        lines.push(
            "to see less in less time: --max-steps N, --resize 28, --seeds N or smaller networks; plusx compare without \
             options of the recipe takes half an hour on two cores"
                .into(),
        );
    }
    lines.extend(
        plan.models
            .iter()
            .take(1)
            .flat_map(|model| model.notes.iter().chain(&model.hint))
            .map(|note| format!("note: {note}")),
    );
    lines.join("\n")
}
