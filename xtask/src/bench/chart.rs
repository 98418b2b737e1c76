//! Bar charts of a comparison, as SVG and PNG. The only file here that knows the plotting library.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use kuva::backend::svg::SvgBackend;
use kuva::prelude::*;

/// Ours and theirs, apart in print and for colour-blind eyes (blue and grey of the Okabe-Ito set).
const OURS: &str = "#0072b2";
const THEIRS: &str = "#999999";
const LIMIT: &str = "#d55e00";

/// Draws `path.svg` and `path.png`: images a second of each, the first ours, and the limit of direct convolutions.
pub(super) fn bars(bars: &[(&str, f64)], limit: Option<f64>, (title, path): (&str, &Path)) -> Result<()> {
    let mut names: Vec<(String, f64, &str)> = bars
        .iter()
        .enumerate()
        .map(|(index, (name, value))| ((*name).to_owned(), *value, if index == 0 { OURS } else { THEIRS }))
        .collect();
    if let Some(limit) = limit {
        names.push(("direct at full peak".to_owned(), limit, LIMIT));
    }
    let mut plot = BarPlot::new();
    for (name, value, color) in &names {
        plot = plot.with_group(name.as_str(), vec![(*value, *color)]);
    }
    let plots: Vec<Plot> = vec![plot.into()];
    let layout = Layout::auto_from_plots(&plots).with_title(title).with_y_label("images a second");
    let scene = render_multiple(plots, layout);
    let svg = path.with_extension("svg");
    fs::write(&svg, SvgBackend.render_scene(&scene))
        .with_context(|| format!("cannot write {}", svg.display()))?;
    let png = kuva::PngBackend::new().render_scene(&scene).map_err(|error| anyhow::anyhow!("{error}"))?;
    let file = path.with_extension("png");
    fs::write(&file, png).with_context(|| format!("cannot write {}", file.display()))
}
