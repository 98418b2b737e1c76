//! `curves.svg` and `curves.png`: loss and accuracy over the epochs. Only this file, `compare/chart.rs`,
//! `lr_find/chart.rs` and `first_batch.rs` know the plotting library.

use std::path::Path;

use kuva::backend::svg::SvgBackend;
use kuva::prelude::*;
use kuva::render::figure::Figure;
use kuva::render::render::Scene;
use plusx_data::HeldOut;
use plusx_formats::atomic;

use crate::folder::Folder;
use crate::options::TrainOptions;
use crate::results::EpochRow;

/// Two colours that stay apart in print and for colour-blind eyes (blue and orange of the Okabe-Ito set).
const TRAIN: &str = "#0072b2";
const TEST: &str = "#d55e00";

/// Draws both files anew. The error is in words: a curve that cannot be drawn is no reason to stop a run.
pub(crate) fn draw(
    folder: &Folder,
    options: &TrainOptions,
    held_out: HeldOut,
    rows: &[EpochRow],
) -> Result<(), String> {
    let title = format!("{} on {}", options.model, subject(options));
    save(&figure(&title, &held_out.to_string(), rows).render(), folder, "curves")
}

/// What the pictures are called: a set by its name, files of one's own by where they lie.
pub(crate) fn subject(options: &TrainOptions) -> String {
    let place = options.data_dir.as_deref().and_then(Path::file_name);
    let own = place.filter(|_| !options.data.starts_with("fashion-mnist"));
    own.map_or_else(|| options.data.clone(), |name| name.to_string_lossy().into_owned())
}

/// Writes `name.svg` and `name.png`.
pub(crate) fn save(scene: &Scene, folder: &Folder, name: &str) -> Result<(), String> {
    let svg = renumbered(&SvgBackend.render_scene(scene));
    let path = folder.file(&format!("{name}.svg"));
    atomic::write(&path, svg.as_bytes()).map_err(|error| error.to_string())?;
    let path = folder.file(&format!("{name}.png"));
    let png = kuva::PngBackend::new()
        .render_scene(scene)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    atomic::write(&path, &png).map_err(|error| error.to_string())
}

/// The library's clip paths, counted from 0: it counts all that a process has drawn, and a resumed run has drawn fewer.
fn renumbered(svg: &str) -> String {
    const ID: &str = "kuva-clip-";
    let mut seen: Vec<&str> = Vec::new();
    let mut parts = svg.split(ID);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (number, rest) = part.split_at(part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len()));
        let index = seen.iter().position(|other| *other == number).unwrap_or_else(|| {
            seen.push(number);
            seen.len() - 1
        });
        text += &format!("{ID}{index}{rest}");
    }
    text
}

/// One curve per column given.
fn panel(
    rows: &[EpochRow],
    held_out: &str,
    train: fn(&EpochRow) -> f64,
    test: fn(&EpochRow) -> f64,
) -> Vec<Plot> {
    let curve = |value: fn(&EpochRow) -> f64, color: &str, legend: &str| -> [Plot; 2] {
        let points: Vec<(f64, f64)> = rows.iter().map(|row| (f64::from(row.epoch), value(row))).collect();
        let line = LinePlot::new().with_data(points.clone()).with_color(color).with_stroke_width(2.0);
        let dots = ScatterPlot::new().with_data(points).with_color(color).with_size(3.5);
        [line.with_legend(legend).into(), dots.into()]
    };
    let [a, b] = curve(train, TRAIN, "train (running)");
    let [c, d] = curve(test, TEST, held_out);
    vec![a, b, c, d]
}

fn figure(title: &str, held_out: &str, rows: &[EpochRow]) -> Figure {
    let loss = panel(rows, held_out, |row| row.train_loss, |row| row.val_loss);
    let accuracy = panel(rows, held_out, |row| row.train_top1, |row| row.val_top1);
    let last = rows.last().map_or(1.0, |row| f64::from(row.epoch));
    let layout = |plots: &[Plot], label: &str| {
        Layout::auto_from_plots(plots)
            .with_x_label("epoch")
            .with_y_label(label)
            .with_x_axis_min(0.5)
            .with_x_axis_max(last + 0.5)
            .with_x_tick_step((last / 10.0).ceil())
    };
    let layouts = vec![layout(&loss, "loss"), layout(&accuracy, "accuracy")];
    Figure::new(1, 2)
        .with_title(title)
        .with_plots(vec![loss, accuracy])
        .with_layouts(layouts)
        .with_cell_size(460.0, 340.0)
        .with_shared_legend_bottom()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(epochs: &[(f64, f64, f64, f64)]) -> Vec<EpochRow> {
        let row = |(index, &(train_loss, train_top1, val_loss, val_top1)): (usize, &(f64, f64, f64, f64))| {
            EpochRow::of_curves(index as u32 + 1, [train_loss, train_top1, val_loss, val_top1])
        };
        epochs.iter().enumerate().map(row).collect()
    }

    #[test]
    fn what_was_drawn_before_leaves_no_trace() {
        assert_eq!(
            renumbered("a kuva-clip-24\" b kuva-clip-25) kuva-clip-24"),
            "a kuva-clip-0\" b kuva-clip-1) kuva-clip-0"
        );
        assert_eq!(renumbered("nothing"), "nothing");
    }

    #[test]
    fn both_files_show_the_run() {
        let output = tempfile::tempdir().unwrap();
        let options = TrainOptions { output: output.path().into(), ..TrainOptions::default() };
        let folder = Folder::create(&options).unwrap();
        let chapter = rows(&[
            (0.4790, 0.832, 0.32, 0.884),
            (0.2526, 0.907, 0.28, 0.900),
            (0.1894, 0.931, 0.25, 0.911),
            (0.1457, 0.947, 0.36, 0.881),
            (0.1123, 0.960, 0.26, 0.917),
        ]);
        for epochs in [0, 1, 5] {
            draw(&folder, &options, HeldOut::Test, &chapter[..epochs]).unwrap();
            let svg = std::fs::read_to_string(folder.file("curves.svg")).unwrap();
            for text in ["resnet18-d2l on fashion-mnist", "epoch", "loss", "accuracy"] {
                assert!(svg.contains(text), "{text}");
            }
            let png = std::fs::read(folder.file("curves.png")).unwrap();
            assert!(png.starts_with(b"\x89PNG") && png.len() > 5000, "{}", png.len());
        }
        let own = TrainOptions { data: "folder".into(), data_dir: Some("some/photos".into()), ..options };
        draw(&folder, &own, HeldOut::Validation, &chapter).unwrap();
        let svg = std::fs::read_to_string(folder.file("curves.svg")).unwrap();
        assert!(svg.contains("resnet18-d2l on photos") && svg.contains(">validation<"), "{svg}");
    }
}
