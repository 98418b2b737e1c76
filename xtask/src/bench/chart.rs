//! Charts of a comparison, as SVG and PNG. The only file here that knows the plotting library.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use kuva::backend::svg::SvgBackend;
use kuva::prelude::*;

/// Ours and theirs, apart in print and for colour-blind eyes (blue and grey of the Okabe-Ito set).
const OURS: &str = "#0072b2";
const THEIRS: &str = "#999999";
const LIMIT: &str = "#d55e00";
/// Points of a title that says what, whose network, input and batch; the library's own size would cut it off.
const TITLE: u32 = 13;

/// Draws `path.svg` and `path.png`: images a second of each, the first ours, and the limit of direct convolutions.
pub(super) fn bars(title: &str, bars: &[(String, f64)], limit: Option<f64>, path: &Path) -> Result<()> {
    let mut names: Vec<(String, f64, &str)> = bars
        .iter()
        .enumerate()
        .map(|(index, (name, value))| (name.clone(), *value, if index == 0 { OURS } else { THEIRS }))
        .collect();
    if let Some(limit) = limit {
        names.push(("direct at full fp32 peak".to_owned(), limit, LIMIT));
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
    let scene = render_multiple(plots, layout);
    let png = kuva::PngBackend::new().render_scene(&scene).map_err(|error| anyhow::anyhow!("{error}"))?;
    for (ending, bytes) in [("svg", SvgBackend.render_scene(&scene).into_bytes()), ("png", png)] {
        let file = path.with_extension(ending);
        fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bar_is_named() {
        let folder = std::env::temp_dir().join(format!("plusx-chart-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let contenders =
            [("plusx", 150.5), ("torch.compile channels_last", 53.8), ("mxnet hybridized", 55.4)]
                .map(|(name, speed)| (name.to_owned(), speed));
        bars("A training step", &contenders, Some(131.9), &folder.join("train")).unwrap();
        let svg = fs::read_to_string(folder.join("train.svg")).unwrap();
        for text in ["torch.compile channels_last", "plusx", "direct at full fp32 peak", "images a second"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(fs::read(folder.join("train.png")).unwrap().starts_with(b"\x89PNG"));
        fs::remove_dir_all(folder).unwrap();
    }
}
