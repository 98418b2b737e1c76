//! `compare.svg` and `compare.png`: errors against steps, as in figure 6 of He et al. 2015. Each network has a colour. Thin dashed
//! lines are training errors, bold lines test errors. A line is the mean over the seeds; the band around it goes from the lowest
//! of them to the highest.

use kuva::plot::legend::{LegendEntry, LegendShape};
use kuva::prelude::*;
use kuva::render::figure::Figure;
use plusx_model::zoo;

use super::claim::is_plain;
use super::curve::{Curve, CurvePoint, of};
use super::options::CompareOptions;
use crate::answers::TrainTest;
use crate::curves;
use crate::folder::Folder;

/// Colours that stay apart in print and for colour-blind eyes (the Okabe-Ito set without its yellow, which is too pale
/// for a line, and with a grey).
const COLOURS: [&str; 8] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999"];

/// Part of the steps whose errors do not decide how high the picture is: they begin near those of guessing, and what
/// matters comes later.
const STEEP: f64 = 0.15;

/// Draws both files anew. The error is in words.
pub(super) fn draw(folder: &Folder, options: &CompareOptions, curves: &[Curve]) -> Result<(), String> {
    curves::save(&figure(options, curves).render(), folder, "compare")
}

/// One network: its name, its colour and its runs.
struct Entry<'a> {
    model: &'a str,
    colour: &'static str,
    runs: Vec<&'a Curve>,
}

impl Entry<'_> {
    /// Steps that all runs have, with the errors of each there.
    fn errors(&self, which: fn(&TrainTest<f64>) -> f64) -> Vec<(f64, Vec<f64>)> {
        let Some(first) = self.runs.first() else { return Vec::new() };
        let at = |step: u64| {
            let found = self.runs.iter().filter_map(|run| run.points.iter().find(|point| point.step == step));
            let errors: Vec<f64> = found.map(|point| 100.0 * which(&point.errors)).collect();
            (errors.len() == self.runs.len()).then_some((step as f64, errors))
        };
        first.points.iter().filter_map(|point| at(point.step)).collect()
    }

    /// The mean with its band.
    fn line(&self, which: fn(&TrainTest<f64>) -> f64) -> LinePlot {
        let errors = self.errors(which);
        let mean = |errors: &[f64]| errors.iter().sum::<f64>() / errors.len() as f64;
        let ends = |pick: fn(f64, f64) -> f64| {
            errors
                .iter()
                .map(|(_, errors)| errors.iter().copied().reduce(pick).unwrap_or(0.0))
                .collect::<Vec<_>>()
        };
        let (low, high) = (ends(f64::min), ends(f64::max));
        let points: Vec<(f64, f64)> = errors.iter().map(|(step, errors)| (*step, mean(errors))).collect();
        let line = LinePlot::new().with_data(points).with_color(self.colour);
        let mut line = if self.runs.len() > 1 { line.with_band(low, high) } else { line };
        // half of the library's own, because bands of training and test overlap
        line.band = line.band.map(|band| band.with_opacity(0.15));
        line
    }

    fn plots(&self) -> [Plot; 2] {
        let train = self
            .line(|errors| errors.train)
            .with_stroke_width(1.2)
            .with_line_style(LineStyle::Custom("5 3".into()));
        let test = self.line(|errors| errors.test).with_stroke_width(2.6);
        [train.into(), test.into()]
    }
}

fn figure(options: &CompareOptions, curves: &[Curve]) -> Figure {
    let entry = |(index, model): (usize, &'_ String)| (COLOURS[index % COLOURS.len()], model.clone());
    let named: Vec<(&'static str, String)> = options.models.iter().enumerate().map(entry).collect();
    let entries: Vec<Entry<'_>> = named
        .iter()
        .map(|(colour, model)| Entry { model, colour, runs: of(model, curves).collect() })
        .collect();
    // plain networks on the left, those with shortcuts on the right, as in the paper
    let plain = |entry: &&Entry<'_>| zoo::find(entry.model).is_ok_and(is_plain);
    let (left, right): (Vec<&Entry<'_>>, Vec<&Entry<'_>>) = entries.iter().partition(plain);
    let panels: Vec<Vec<&Entry<'_>>> = [left, right].into_iter().filter(|panel| !panel.is_empty()).collect();
    let last =
        curves.iter().filter_map(|curve| curve.points.last()).map(|point| point.step).max().unwrap_or(1)
            as f64;
    let top = top(curves, last);
    let plots: Vec<Vec<Plot>> =
        panels.iter().map(|panel| panel.iter().flat_map(|entry| entry.plots()).collect()).collect();
    let layout = |(plots, entries): (&Vec<Plot>, &Vec<&Entry<'_>>)| {
        let plain = entries.iter().all(plain);
        Layout::auto_from_plots(plots)
            .with_title(if plain { "without shortcuts" } else { "with shortcuts" })
            .with_title_size(14)
            .with_x_label("step")
            .with_y_label("error, %")
            .with_x_axis_min(0.0)
            .with_x_axis_max(last)
            .with_y_axis_min(0.0)
            .with_y_axis_max(top)
    };
    let layouts = plots.iter().zip(&panels).map(layout).collect();
    let title = format!("{}, {} px", options.train.data, options.train.resize);
    Figure::new(1, panels.len())
        .with_title(title)
        .with_plots(plots)
        .with_layouts(layouts)
        .with_cell_size(if panels.len() == 1 { 680.0 } else { 460.0 }, 400.0)
        .with_shared_legend_entries(legend(&entries))
        .with_shared_legend_right_middle()
}

fn legend(entries: &[Entry<'_>]) -> Vec<LegendEntry> {
    let line = |label: &str, color: &str, dash: Option<&str>| LegendEntry {
        label: label.into(),
        color: color.into(),
        shape: LegendShape::Line,
        dasharray: dash.map(str::to_owned),
    };
    let models = entries.iter().map(|entry| line(entry.model, entry.colour, None));
    models
        .chain([line("training (dashed)", "#444444", Some("4 4")), line("test (bold)", "#444444", None)])
        .collect()
}

/// Where the axis of the errors ends, in percent.
fn top(curves: &[Curve], last: f64) -> f64 {
    let late = |point: &&CurvePoint| point.step as f64 >= STEEP * last;
    let points = curves.iter().flat_map(|curve| curve.points.iter().filter(late));
    let most = points.flat_map(|point| [point.errors.train, point.errors.test]).fold(0.0, f64::max);
    (most * 10.0).ceil().clamp(1.0, 10.0) * 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::TrainOptions;

    fn curve(model: &str, seed: u32, end: f64) -> Curve {
        let point = |step: u64| {
            let error = end + (0.9 - end) * (-(step as f64) / 40.0).exp() + 0.01 * f64::from(seed % 3);
            CurvePoint { step, errors: TrainTest { train: error, test: error + 0.02 } }
        };
        let points = (1..=10).map(|index| point(20 * index)).collect();
        Curve { model: model.into(), seed, points, images: TrainTest { train: 120, test: 1000 } }
    }

    #[test]
    fn both_files_show_every_network() {
        let output = tempfile::tempdir().unwrap();
        let train = TrainOptions { output: output.path().into(), ..TrainOptions::default() };
        let folder = Folder::create(&train).unwrap();
        let options = CompareOptions { train, ..CompareOptions::default() };
        let ends = [("plain20", 0.12), ("plain56", 0.3), ("resnet20", 0.1), ("resnet56", 0.09)];
        let all: Vec<Curve> =
            (1..=3).flat_map(|seed| ends.map(|(model, end)| curve(model, seed, end))).collect();
        // none, one network only, all
        for runs in [0, 1, all.len()] {
            draw(&folder, &options, &all[..runs]).unwrap();
            let svg = std::fs::read_to_string(folder.file("compare.svg")).unwrap();
            for text in [
                "without shortcuts",
                "with shortcuts",
                "plain20",
                "plain56",
                "resnet20",
                "resnet56",
                "training (dashed)",
                "test (bold)",
                "step",
            ] {
                assert!(svg.contains(text), "{text}");
            }
            let png = std::fs::read(folder.file("compare.png")).unwrap();
            assert!(png.starts_with(b"\x89PNG") && png.len() > 5000, "{}", png.len());
        }
    }

    #[test]
    fn lines_are_means_and_bands_reach_from_the_lowest_to_the_highest() {
        let runs = [curve("plain20", 0, 0.1), curve("plain20", 1, 0.1), curve("plain20", 2, 0.1)];
        let entry = Entry { model: "plain20", colour: COLOURS[0], runs: runs.iter().collect() };
        let line = entry.line(|errors| errors.train);
        let band = line.band.unwrap();
        for (index, point) in line.data.iter().enumerate() {
            // the seeds lie one point apart
            assert!((point.y - band.y_lower[index] - 1.0).abs() < 1e-9, "{index}");
            assert!((band.y_upper[index] - point.y - 1.0).abs() < 1e-9, "{index}");
        }
        assert!(Entry { runs: vec![&runs[0]], ..entry }.line(|errors| errors.test).band.is_none());
    }

    #[test]
    fn the_axis_ends_above_what_is_left_after_the_steep_part() {
        let runs = [curve("plain20", 0, 0.1)];
        // after step 30: 0.1 + 0.8 exp(-1) + 0.02 = 41 %
        assert_eq!(top(&runs, 200.0), 50.0);
    }
}
