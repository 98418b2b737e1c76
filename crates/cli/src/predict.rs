//! `plusx predict`: what is on pictures, as text, CSV or JSON.

use crate::answer::{Answer, Format, Separator, head};
use crate::environment::Environment;
use crate::machine_arguments::{MachineArguments, at_least_one};
use crate::screen::{note, result};
use crate::{exit, machine, pictures, spelled};
use anyhow::Result;
use clap::{Args, ValueEnum};
use plusx_data::picture::{self, Limits};
use plusx_infer::Classifier;
use std::path::{Path, PathBuf};

/// Options of `plusx predict`.
#[derive(Debug, Args)]
pub(crate) struct PredictArguments {
    /// Weight file, for example runs/train/exp/weights/best.safetensors
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// Pictures, folders of pictures (and the folders in them), patterns such as "cats/*.jpg": JPEG, PNG, WebP, BMP, GIF or TIFF, told by content;
    /// the way the camera was held is honoured
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// Classes to name for each picture, the likeliest first
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = at_least_one)]
    topk: usize,
    #[command(flatten)]
    machine: MachineArguments,
    /// How answers are printed: a line of text for each picture; CSV, one line for each class, with the columns
    /// filename,index,label,prob; or a JSON object a line for each picture [default: text]
    #[arg(long, value_name = "FORMAT")]
    results_format: Option<Printed>,
    /// Same as --results-format json
    #[arg(long, conflicts_with = "results_format")]
    json: bool,
    /// CSV for Excel and LibreOffice: names and labels stay text, never formulas, dates or numbers; with letters of all
    /// languages. `--excel=semicolon` where spreadsheets expect semicolons and decimal commas
    #[arg(
        long,
        value_name = "SEPARATOR",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "comma",
        conflicts_with = "json"
    )]
    excel: Option<Separator>,
}

/// How answers are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Printed {
    Text,
    Csv,
    Json,
}

/// Runs the command. A picture that cannot be read is named and does not keep the others from being answered; the exit
/// code is then that of the first such picture.
pub(crate) fn run(arguments: &PredictArguments, environment: &Environment) -> Result<u8> {
    let format = arguments.format()?;
    let options = arguments.machine.prepared(environment);
    let net = Classifier::load_with(&arguments.weights, options)?;
    crate::memory::check_one(net.net(), options.threads)?;
    let limits =
        Limits { memory: machine::room(options.threads).map(|room| room.bytes), ..Limits::default() };
    head(format).map_or(Ok(()), result)?;
    let (mut code, mut warned) = (exit::DONE, false);
    for argument in &arguments.images {
        pictures::each(argument, &mut |path| {
            match path.and_then(|path| answer(&net, &path, &limits, arguments.topk)) {
                Ok(answer) => {
                    result(&answer.lines(format)?)?;
                    if format == Format::Csv
                        && !warned
                        && let Some(text) = answer.like_a_formula()
                    {
                        note(&looks_like_a_formula(text));
                        warned = true;
                    }
                }
                Err(error) => {
                    exit::report(&error);
                    if code == exit::DONE {
                        code = exit::of(&error);
                    }
                }
            }
            Ok(())
        })?;
    }
    Ok(code)
}

impl PredictArguments {
    fn format(&self) -> Result<Format> {
        Ok(match (self.excel, self.results_format) {
            (Some(separator), None | Some(Printed::Csv)) => Format::Excel(separator),
            (Some(_), Some(_)) => {
                return Err(exit::usage("--excel is a form of --results-format csv"));
            }
            (None, _) if self.json => Format::Json,
            (None, None | Some(Printed::Text)) => Format::Text,
            (None, Some(Printed::Csv)) => Format::Csv,
            (None, Some(Printed::Json)) => Format::Json,
        })
    }
}

fn answer(net: &Classifier, path: &Path, limits: &Limits, topk: usize) -> Result<Answer> {
    let predictions = || -> Result<_> {
        let opened = picture::open_with_notes(path, limits)?;
        for odd in &opened.notes {
            note(&format!("{}: {odd}", spelled::path(path)));
        }
        Ok(net.predict_top(&opened.picture, topk)?)
    };
    let named = predictions().map_err(|error| match path.to_str() {
        Some(_) => error,
        // messages of libraries cannot tell such names apart
        None => error.context(spelled::path(path)),
    });
    Ok(Answer::new(path, named?))
}

fn looks_like_a_formula(text: &str) -> String {
    format!(
        "{}: spreadsheets take what begins with =, +, - or @ for a formula; for them write the table with --excel",
        spelled::one_line(text)
    )
}
