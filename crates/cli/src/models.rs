//! `plusx models`: the networks of the zoo, a line each.

use crate::exit;
use crate::screen::result;
use anyhow::Result;
use clap::Args;
use plusx_model::summary::{Summary, thousands};
use plusx_model::zoo::SPECS;
use serde::Serialize;

/// Options of `plusx models`.
#[derive(Debug, Args)]
pub(crate) struct ModelsArguments {
    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

/// One network. Its JSON has these fields in this order.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    /// Trainable ones.
    params: u64,
    /// For one image of the default input.
    macs: u64,
    input: String,
    classes: usize,
    /// Whose names the parameters have: those of torchvision and timm fit their weight files.
    names: &'static str,
    /// How pictures are prepared for published weights, unless a file says otherwise: what `plusx import` takes.
    preprocess: &'static str,
}

/// Runs the command.
pub(crate) fn run(arguments: &ModelsArguments) -> Result<u8> {
    let rows = rows()?;
    result(&if arguments.json { serde_json::to_string(&rows)? } else { table(&rows) })?;
    Ok(exit::DONE)
}

fn rows() -> Result<Vec<Row>> {
    let row = |spec: &plusx_model::zoo::Spec| {
        let summary = Summary::new(spec.name, &crate::plan::graph(spec.name, None, None)?);
        Ok(Row {
            name: spec.name,
            params: summary.total_params,
            macs: summary.total_macs,
            input: spec.input.to_string(),
            classes: spec.classes,
            names: spec.names.name(),
            preprocess: spec.preset.as_str(),
        })
    };
    SPECS.iter().map(row).collect()
}

fn table(rows: &[Row]) -> String {
    let name = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let line = |cells: [&str; 7]| {
        let [model, params, macs, input, classes, names, preprocess] = cells;
        format!("{model:name$}  {params:>11}  {macs:>14}  {input:>9}  {classes:>7}  {names:12}  {preprocess}")
    };
    let mut text = line(["model", "parameters", "MACs", "input", "classes", "weight names", "preprocess"]);
    for row in rows {
        let (params, macs) = (thousands(row.params), thousands(row.macs));
        text.push('\n');
        let classes = row.classes.to_string();
        text += &line([row.name, &params, &macs, &row.input, &classes, row.names, row.preprocess]);
    }
    text
}
