//! `plusx summary`: a network layer by layer.

use crate::exit;
use crate::names::DEFAULT_MODEL;
use crate::screen::result;
use anyhow::Result;
use clap::Args;
use plusx_model::shape::ImageShape;
use plusx_model::summary::Summary;
use serde::Serialize;

/// Options of `plusx summary`.
#[derive(Debug, Args)]
pub(crate) struct SummaryArguments {
    /// Network from the zoo
    #[arg(long, value_name = "NAME", default_value = DEFAULT_MODEL)]
    model: String,
    /// Shape of one image [default: the network's own]
    #[arg(long, value_name = "CxHxW")]
    input: Option<ImageShape>,
    /// Classes to tell apart [default: the network's own]
    #[arg(long, value_name = "N")]
    classes: Option<usize>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &SummaryArguments) -> Result<u8> {
    let graph = crate::plan::graph(&arguments.model, arguments.input, arguments.classes)?;
    let summary = Summary::new(&arguments.model, &graph);
    result(&if arguments.json { json(&summary)? } else { summary.to_string() })?;
    Ok(exit::DONE)
}

/// The JSON object, its fields in this order.
#[derive(Serialize)]
struct SummaryJson<'s> {
    model: &'s str,
    input: String,
    total_params: u64,
    total_macs: u64,
    layers: Vec<RowJson<'s>>,
}

/// One layer; `output_shape` is \[channels, rows, columns\].
#[derive(Serialize)]
struct RowJson<'s> {
    name: &'s str,
    op: &'s str,
    output_shape: [usize; 3],
    params: u64,
    macs: u64,
}

fn json(summary: &Summary) -> Result<String> {
    let layers = summary.layers.iter().map(|row| RowJson {
        name: &row.name,
        op: row.op,
        output_shape: [row.output_shape.c, row.output_shape.h, row.output_shape.w],
        params: row.params,
        macs: row.macs,
    });
    Ok(serde_json::to_string(&SummaryJson {
        model: &summary.model,
        input: summary.input.to_string(),
        total_params: summary.total_params,
        total_macs: summary.total_macs,
        layers: layers.collect(),
    })?)
}
