//! Networks written as functions, and the layers that most of them begin and end with.

use plusx_model::ModelError;
use plusx_model::block::{Block, Var};
use plusx_model::graph::Graph;
use plusx_model::layers::{Conv2d, Dense, GlobalAvgPool2d};
use plusx_model::shape::ImageShape;
use plusx_model::trace::{Names, trace};

/// A network written as a function.
struct Net<F>(F);

impl<F: for<'g> Fn(Var<'g>) -> Result<Var<'g>, ModelError>> Block for Net<F> {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        (self.0)(x)
    }

    fn alias(&self) -> String {
        "net".to_owned()
    }
}

pub(super) fn net(
    input: (usize, usize, usize),
    build: impl for<'g> Fn(Var<'g>) -> Result<Var<'g>, ModelError>,
) -> Graph {
    let (c, h, w) = input;
    trace(&Net(build), ImageShape::new(c, h, w), &mut Names::new()).unwrap()
}

pub(super) fn conv(channels: usize) -> Conv2d {
    Conv2d::new(channels, 3).padding(1)
}

pub(super) fn head<'g>(x: Var<'g>) -> Result<Var<'g>, ModelError> {
    Dense::new(4).forward(GlobalAvgPool2d::new().forward(x)?)
}
