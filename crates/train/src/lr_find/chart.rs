//! `lr-find.svg` and `lr-find.png`: the loss against the rate, on a logarithmic axis, with the suggestion.

use kuva::prelude::*;
use kuva::render::figure::Figure;

use super::valley::rounded;
use crate::curves;
use crate::event::RangePoint;
use crate::folder::Folder;
use crate::options::TrainOptions;

/// As in the curves of a run: blue for what was learnt from, orange for what is to be seen.
const LOSS: &str = "#0072b2";
const SUGGESTED: &str = "#d55e00";
/// The single losses, behind the smoothed ones.
const SINGLE: &str = "#a8c6dc";

/// Part of the range of smoothed losses that is left free above the largest that matters.
const HEADROOM: f64 = 0.1;

/// Draws both files. The error is in words.
pub(super) fn draw(
    folder: &Folder,
    options: &TrainOptions,
    points: &[RangePoint],
    suggestion: Option<f64>,
) -> Result<(), String> {
    let title =
        format!("{} on {}, batches of {}", options.model, curves::subject(options), options.batch_size);
    curves::save(&figure(&title, points, suggestion).render(), folder, "lr-find")
}

fn figure(title: &str, points: &[RangePoint], suggestion: Option<f64>) -> Figure {
    let (low, high) = bounds(points);
    let single = points.iter().map(|point| (point.lr, point.loss.clamp(low, high)));
    let smoothed = points.iter().map(|point| (point.lr, point.smoothed.clamp(low, high)));
    let dots = ScatterPlot::new().with_data(single.collect::<Vec<_>>()).with_color(SINGLE).with_size(2.5);
    let line =
        LinePlot::new().with_data(smoothed.collect::<Vec<_>>()).with_color(LOSS).with_stroke_width(2.2);
    let mut plots: Vec<Plot> =
        vec![dots.with_legend("loss of a batch").into(), line.with_legend("smoothed").into()];
    let marked = suggestion.and_then(|lr| points.iter().find(|point| point.lr == lr));
    if let Some(point) = marked {
        let mark = ScatterPlot::new().with_data(vec![(point.lr, point.smoothed.clamp(low, high))]);
        let legend = format!("suggested: --lr {:?}", rounded(point.lr));
        plots.push(mark.with_color(SUGGESTED).with_size(6.0).with_legend(legend).into());
    }
    let layout = Layout::auto_from_plots(&plots)
        .with_log_x()
        .with_x_label("learning rate")
        .with_y_label("loss")
        .with_y_axis_min(low)
        .with_y_axis_max(high);
    let figure = Figure::new(1, 1).with_title(title).with_plots(vec![plots]).with_layouts(vec![layout]);
    figure.with_cell_size(680.0, 400.0).with_shared_legend_bottom()
}

/// The lowest and the highest loss of the picture: those of the smoothed curve and the batches up to its lowest place. What follows
/// blows up and would press the rest flat.
fn bounds(points: &[RangePoint]) -> (f64, f64) {
    let lowest = points.iter().enumerate().min_by(|(_, a), (_, b)| a.smoothed.total_cmp(&b.smoothed));
    let before = &points[..lowest.map_or(0, |(index, _)| index + 1)];
    let losses = || before.iter().flat_map(|point| [point.loss, point.smoothed]);
    let (low, high) = (losses().fold(f64::INFINITY, f64::min), losses().fold(f64::NEG_INFINITY, f64::max));
    let (low, high) = if low < high { (low, high) } else { (low.min(0.0), low.max(0.0) + 1.0) };
    let (low, high) = if low.is_finite() && high.is_finite() { (low, high) } else { (0.0, 1.0) };
    let room = HEADROOM * (high - low);
    ((low - room).max(0.0), high + room)
}
