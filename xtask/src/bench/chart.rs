//! Charts of a comparison, as SVG and PNG. The only file here that knows the plotting library.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use kuva::backend::svg::SvgBackend;
use kuva::prelude::*;
use kuva::render::render::Scene;

/// Ours and theirs, apart in print and for colour-blind eyes (blue and grey of the Okabe-Ito set).
const OURS: &str = "#0072b2";
const THEIRS: &str = "#999999";
const LIMIT: &str = "#d55e00";
/// Peers that must be told apart (more of the same set).
const PEERS: [&str; 5] = ["#999999", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// Points of a title that says what, whose network, input and batch; the library's own size would cut it off.
const TITLE: u32 = 13;

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
    // lying bars leave room for long names; the first is drawn lowest
    let mut plot = BarPlot::new().with_horizontal(true);
    for (name, value, color) in names.iter().rev() {
        plot = plot.with_group(name.as_str(), vec![(*value, *color)]);
    }
    let plots: Vec<Plot> = vec![plot.into()];
    let layout = Layout::auto_from_plots(&plots)
        .with_title(title)
        .with_title_size(TITLE)
        .with_x_label("images a second");
    save(&render_multiple(plots, layout), path)
}

/// Writes `path.svg` and `path.png`.
fn save(scene: &Scene, path: &Path) -> Result<()> {
    let svg = path.with_extension("svg");
    fs::write(&svg, SvgBackend.render_scene(scene))
        .with_context(|| format!("cannot write {}", svg.display()))?;
    let png = kuva::PngBackend::new().render_scene(scene).map_err(|error| anyhow::anyhow!("{error}"))?;
    let file = path.with_extension("png");
    fs::write(&file, png).with_context(|| format!("cannot write {}", file.display()))
}

/// Draws `path.svg` and `path.png`: steps at (flop a byte, GFLOP/s) under the roof of (peak, GB/s), lines of whole steps.
pub(super) fn roofline(
    (peak, memory): (f64, f64),
    points: &[(f64, f64)],
    lines: &[(String, f64)],
    path: &Path,
) -> Result<()> {
    let right = points.iter().fold(peak / memory * 4.0, |most, point| most.max(point.0)) * 1.5;
    let left = points.iter().fold(peak / memory / 4.0, |least, point| least.min(point.0)) / 1.5;
    let roof = vec![(left, left * memory), (peak / memory, peak), (right, peak)];
    let mut plots: Vec<Plot> = vec![
        LinePlot::new().with_data(roof).with_color(LIMIT).with_legend("memory, then arithmetic").into(),
        ScatterPlot::new()
            .with_data(points.to_vec())
            .with_color(OURS)
            .with_size(4.0)
            .with_legend("steps of plusx")
            .into(),
    ];
    for (index, (name, gflops)) in lines.iter().enumerate() {
        let line = LinePlot::new().with_data(vec![(left, *gflops), (right, *gflops)]);
        let line = line.with_color(if index == 0 { OURS } else { PEERS[(index - 1) % PEERS.len()] });
        plots.push(line.with_dashed().with_legend(format!("{name}, a whole step as direct")).into());
    }
    let layout = Layout::auto_from_plots(&plots)
        .with_log_scale()
        .with_title("Roofline of a training step")
        .with_x_label("flop for each byte touched")
        .with_y_label("GFLOP/s");
    save(&render_multiple(plots, layout), path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bar_is_named() {
        let folder = std::env::temp_dir().join(format!("plusx-chart-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let contenders =
            [("plusx", 150.5), ("torch.compile channels_last", 53.8), ("mxnet hybridized", 55.4)];
        bars(&contenders, Some(131.9), ("A training step", &folder.join("train"))).unwrap();
        let svg = fs::read_to_string(folder.join("train.svg")).unwrap();
        for text in ["torch.compile channels_last", "plusx", "direct at full peak", "images a second"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(fs::read(folder.join("train.png")).unwrap().starts_with(b"\x89PNG"));
        fs::remove_dir_all(folder).unwrap();
    }
}
