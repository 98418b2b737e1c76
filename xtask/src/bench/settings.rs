//! What a comparison measures, and how: the same for all who take part.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::command::exists;
use crate::machine::first_cores;
use crate::options::{CommandOptions, Defaults};
use crate::python::Modules;

/// Options that [`Settings`] reads. The input of a network is that which it was made for, unless it is given.
pub(super) const DEFAULTS: Defaults<'static> = &[
    ("model", CHAPTER),
    ("input", ""),
    ("batch-size", BATCH),
    ("rounds", "6"),
    ("steps", "2"),
    ("threads", "all"),
    ("isa", "auto"),
    ("precision", HIGHEST),
];

/// Those that say how, not what.
pub(super) const HOW: &[&str] = &["rounds", "steps", "threads", "isa"];

/// Precisions of plusx. At the first one all who take part compute in fp32, at the others some compute in bf16.
const PRECISIONS: [&str; 3] = [HIGHEST, "high", "medium"];
pub(super) const HIGHEST: &str = "highest";

/// The chapter's network, which every peer has.
const CHAPTER: &str = "resnet18-d2l";

/// The images that the chapter's network and torchvision's were made for.
const CHAPTER_INPUT: &str = "1x96x96";
const TORCHVISION_INPUT: &str = "3x224x224";

/// Images of a step, if not said otherwise.
const BATCH: &str = "256";

/// What is measured, the same for all.
pub(super) struct Settings {
    pub(super) rounds: usize,
    pub(super) steps: usize,
    model: String,
    threads: usize,
    batch: usize,
    input: String,
    pub(super) isa: String,
    /// Of plusx.
    pub(super) precision: String,
    /// Cores that everybody is pinned to, where the system can.
    pub(super) cores: Option<String>,
}

impl Settings {
    /// Those of a command line, on a machine with so many cores.
    pub(super) fn read(options: &CommandOptions, cores: usize) -> Result<Self> {
        let all = options.text("threads") == Some("all");
        let threads = if all { cores } else { options.count("threads")? };
        let model: String = options.value("model")?;
        let precision: String = options.value("precision")?;
        if !PRECISIONS.contains(&precision.as_str()) {
            bail!("--precision: `{precision}` is none of {}", PRECISIONS.join(", "));
        }
        Ok(Self {
            rounds: options.count("rounds")?,
            steps: options.count("steps")?,
            threads,
            batch: options.count("batch-size")?,
            input: options.text("input").unwrap_or(input_of(&model)).to_owned(),
            model,
            isa: options.value("isa")?,
            precision,
            cores: first_cores(threads).filter(|_| exists("taskset")),
        })
    }

    /// Whether rows of several precisions stand beside each other: where plusx has another than its usual one.
    pub(super) fn is_mixed(&self) -> bool {
        self.precision != HIGHEST
    }

    /// The name of the files of results, in their folder: `train`, `infer-medium`.
    pub(super) fn file(&self, command: &str) -> String {
        if self.is_mixed() { format!("{command}-{}", self.precision) } else { command.to_owned() }
    }

    /// Whether it is the chapter's network: the one that MXNet's script has, and that needs no torchvision.
    pub(super) fn is_chapter(&self) -> bool {
        self.model == CHAPTER
    }

    /// The Python modules that the peers need: `theirs`, and what makes the network.
    pub(super) fn modules(&self, theirs: Modules<'static>) -> Vec<&'static str> {
        let more: Modules<'_> = if self.is_chapter() { &[] } else { &["torchvision"] };
        [theirs, more].concat()
    }

    /// The folder, in that of the day, of results for another network, input or batch than the usual:
    /// `infer-224-batch-32`, `train-resnet50-batch-16`. The usual ones lie in that of the day itself.
    pub(super) fn corner(&self, command: &str) -> PathBuf {
        let usual_input = self.input == input_of(&self.model);
        if self.is_chapter() && usual_input && self.batch.to_string() == BATCH {
            return PathBuf::new();
        }
        let mut words = vec![command.to_owned()];
        if !self.is_chapter() {
            words.push(self.model.clone());
        }
        if !usual_input {
            let short = if self.input == TORCHVISION_INPUT { "224" } else { self.input.as_str() };
            words.push(short.to_owned());
        }
        words.push(format!("batch-{}", self.batch));
        PathBuf::from(words.join("-"))
    }

    /// As the contenders' options.
    pub(super) fn arguments(&self) -> Vec<String> {
        let common = [
            ("--model", self.model.clone()),
            ("--input", self.input.clone()),
            ("--batch-size", self.batch.to_string()),
            ("--threads", self.threads.to_string()),
        ];
        common.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }

    /// What is measured, in a few words.
    pub(super) fn subject(&self) -> String {
        let network = if self.is_chapter() { "ResNet-18 of the chapter" } else { self.model.as_str() };
        let precision =
            if self.is_mixed() { format!(", precision {}", self.precision) } else { String::new() };
        format!("{network}, {}, batch {}{precision}", self.input, self.batch)
    }

    /// In words.
    pub(super) fn describe(&self) -> String {
        let network = if self.is_chapter() {
            "ResNet-18 of the chapter".to_owned()
        } else {
            format!("{}, the peers' as torchvision builds it", self.model)
        };
        let pinned = match &self.cores {
            Some(list) => format!("pinned to cores {list}"),
            None => "not pinned".to_owned(),
        };
        let precision = if self.is_mixed() { "each row in its own precision" } else { "fp32" };
        format!(
            "{network}, {precision}, input {}, batch {}, {} threads, {pinned}; median of the {} steps of a turn, {} rounds of turns, \
             a process each, all warmed up before the first round.",
            self.input, self.batch, self.threads, self.steps, self.rounds
        )
    }
}

/// The images that a network was made for: only those of the chapter and of torchvision are measured.
fn input_of(model: &str) -> &'static str {
    if model == CHAPTER { CHAPTER_INPUT } else { TORCHVISION_INPUT }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(arguments: &[&str]) -> Settings {
        Settings::read(&CommandOptions::parse(arguments, DEFAULTS).unwrap(), 2).unwrap()
    }

    #[test]
    fn what_is_measured_has_a_folder_and_words() {
        for (arguments, corner, subject) in [
            (&[][..], "", "ResNet-18 of the chapter, 1x96x96, batch 256"),
            (&["--model", CHAPTER, "--rounds", "1"], "", "ResNet-18 of the chapter, 1x96x96, batch 256"),
            (&["--batch-size", "64"], "infer-batch-64", "ResNet-18 of the chapter, 1x96x96, batch 64"),
            (
                &["--input", "3x224x224", "--batch-size", "1"],
                "infer-224-batch-1",
                "ResNet-18 of the chapter, 3x224x224, batch 1",
            ),
            (
                &["--input", "1x32x32"],
                "infer-1x32x32-batch-256",
                "ResNet-18 of the chapter, 1x32x32, batch 256",
            ),
            (
                &["--model", "resnet50", "--batch-size", "32"],
                "infer-resnet50-batch-32",
                "resnet50, 3x224x224, batch 32",
            ),
            (
                &["--model", "resnet50", "--input", "3x64x64", "--batch-size", "2"],
                "infer-resnet50-3x64x64-batch-2",
                "resnet50, 3x64x64, batch 2",
            ),
        ] {
            let settings = settings(arguments);
            assert_eq!(settings.corner("infer"), PathBuf::from(corner));
            assert_eq!(settings.subject(), subject);
        }
        let described = settings(&["--model", "resnext50_32x4d", "--batch-size", "8"]).describe();
        assert!(described.contains("resnext50_32x4d") && described.contains("torchvision"), "{described}");
        assert!(described.contains("input 3x224x224, batch 8"), "{described}");
    }

    #[test]
    fn precisions_have_files_of_their_own() {
        let usual = settings(&["--model", "resnet50"]);
        assert_eq!((usual.is_mixed(), usual.file("train").as_str()), (false, "train"));
        assert!(usual.describe().contains("builds it, fp32, input"));
        let medium = settings(&["--precision", "medium"]);
        assert_eq!((medium.is_mixed(), medium.file("infer").as_str()), (true, "infer-medium"));
        assert_eq!(medium.corner("infer"), PathBuf::new());
        assert_eq!(medium.subject(), "ResNet-18 of the chapter, 1x96x96, batch 256, precision medium");
        assert!(medium.describe().contains("each row in its own precision, input"));
        let options = CommandOptions::parse(&["--precision", "low"], DEFAULTS).unwrap();
        let error = Settings::read(&options, 2).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("--precision: `low` is none of highest, high, medium"));
    }

    #[test]
    fn torchvision_is_asked_for_when_it_builds_the_network() {
        assert_eq!(settings(&[]).modules(&["torch"]), ["torch"]);
        assert_eq!(settings(&["--model", "resnet50"]).modules(&["torch"]), ["torch", "torchvision"]);
        let arguments = settings(&["--model", "resnet50"]).arguments();
        assert_eq!(arguments[..4], ["--model", "resnet50", "--input", "3x224x224"]);
    }
}
