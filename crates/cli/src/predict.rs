//! `plusx predict`: what is on pictures, as text, CSV or JSON.

use crate::arguments::{MachineArguments, at_least_one};
use crate::environment::Environment;
use crate::screen::result;
use crate::{exit, pictures};
use anyhow::Result;
use clap::{Args, ValueEnum};
use plusx_data::picture;
use plusx_infer::{Classifier, Prediction};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Options of `plusx predict`.
#[derive(Debug, Args)]
pub(crate) struct PredictArguments {
    /// Weight file, for example runs/train/exp/weights/best.safetensors
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// Pictures, folders of pictures (and the folders in them), patterns such as "cats/*.jpg": PNG or JPEG; the way the
    /// camera was held is honoured
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// Classes to name for each picture, the likeliest first
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = at_least_one)]
    topk: usize,
    #[command(flatten)]
    machine: MachineArguments,
    /// How answers are printed: a line of text for each picture; CSV, one line for each class, with the columns
    /// filename,index,label,prob; or a JSON object a line for each picture
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    results_format: Format,
    /// Same as --results-format json
    #[arg(long, conflicts_with = "results_format")]
    json: bool,
}

/// How answers are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    Text,
    Csv,
    Json,
}

/// Runs the command. A picture that cannot be read is named and does not keep the others from being answered; the exit
/// code is then that of the first such picture.
pub(crate) fn run(arguments: &PredictArguments, environment: &Environment) -> Result<u8> {
    let net = Classifier::load_with(&arguments.weights, arguments.machine.prepared(environment))?;
    let format = if arguments.json { Format::Json } else { arguments.results_format };
    if format == Format::Csv {
        result("filename,index,label,prob")?;
    }
    let mut code = exit::DONE;
    let mut failed = |error: &anyhow::Error| {
        exit::report(error);
        if code == exit::DONE {
            code = exit::of(error);
        }
    };
    for argument in &arguments.images {
        let images = pictures::meant(argument).unwrap_or_else(|error| {
            failed(&error);
            Vec::new()
        });
        for path in images {
            match answer(&net, &path, arguments.topk) {
                Ok(answer) => result(&answer.lines(format)?)?,
                Err(error) => failed(&error),
            }
        }
    }
    Ok(code)
}

/// What is on one picture.
#[derive(Serialize)]
struct Answer {
    filename: String,
    predictions: Vec<Class>,
}

/// A class and how sure the network is of it.
#[derive(Serialize)]
struct Class {
    index: usize,
    label: String,
    prob: f64,
}

impl From<Prediction> for Class {
    fn from(Prediction { index, label, prob }: Prediction) -> Self {
        Self { index, label, prob }
    }
}

fn answer(net: &Classifier, path: &Path, topk: usize) -> Result<Answer> {
    let predictions = net.predict_top(&picture::open(path)?, topk)?;
    let predictions = predictions.into_iter().map(Class::from).collect();
    Ok(Answer { filename: path.display().to_string(), predictions })
}

impl Answer {
    /// Without the last line's end.
    fn lines(&self, format: Format) -> Result<String> {
        Ok(match format {
            Format::Json => serde_json::to_string(self)?,
            Format::Text => {
                let classes = self.predictions.iter();
                let classes: Vec<_> =
                    classes.map(|one| format!("{} {:.1} %", one.label, 100.0 * one.prob)).collect();
                format!("{}: {}", self.filename, classes.join(", "))
            }
            Format::Csv => {
                let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
                for Class { index, label, prob } in &self.predictions {
                    writer.serialize((&self.filename, index, label, prob))?;
                }
                String::from_utf8(writer.into_inner()?)?.trim_end().to_owned()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_commas_and_quotes_stay_one_column() -> Result<()> {
        let one = |index, label: &str, prob| Class { index, label: label.to_owned(), prob };
        let predictions = vec![one(3, "dress, \"long\"", 0.75), one(0, "coat", 0.25)];
        let answer = Answer { filename: "a,b.png".to_owned(), predictions };
        assert_eq!(
            answer.lines(Format::Csv)?,
            "\"a,b.png\",3,\"dress, \"\"long\"\"\",0.75\n\"a,b.png\",0,coat,0.25"
        );
        assert_eq!(answer.lines(Format::Text)?, "a,b.png: dress, \"long\" 75.0 %, coat 25.0 %");
        Ok(())
    }
}
