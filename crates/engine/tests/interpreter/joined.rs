//! Networks with sigmoids, products by channel and concatenations, in the places where a plan may treat them otherwise.

use plusx_model::ModelError;
use plusx_model::block::{Block, Var};
use plusx_model::graph::Graph;
use plusx_model::layers::{BatchNorm, Conv2d, Dense, GlobalAvgPool2d, MaxPool2d};

use super::building::{conv, head, net};

/// Squeeze-and-excitation behind `x`: a number for each channel from the means of all.
fn squeezed<'g>(x: Var<'g>) -> Result<Var<'g>, ModelError> {
    let y = GlobalAvgPool2d::new().forward(x)?;
    let y = Conv2d::new(3, 1).forward(y)?.relu();
    Ok(Conv2d::new(x.shape().c, 1).forward(y)?.sigmoid())
}

/// All of them, with the name of what is special.
pub(super) fn all() -> Vec<(&'static str, Graph)> {
    vec![
        (
            "squeeze and excitation in a residual",
            net((2, 6, 5), |x| {
                let x = BatchNorm::new().forward(conv(18).forward(x)?)?.relu();
                let y = BatchNorm::new().forward(conv(18).forward(x)?)?;
                head(((y * squeezed(y)?)? + x)?.relu())
            }),
        ),
        (
            "the map of a product is also the skip",
            net((2, 6, 5), |x| {
                let x = conv(18).forward(x)?;
                head(((x * squeezed(x)?)? + x)?.relu())
            }),
        ),
        (
            "product of views that nothing else reads",
            net((2, 9, 9), |x| {
                let y = BatchNorm::new().forward(conv(6).forward(x)?)?.relu();
                let z = Dense::new(6).forward(MaxPool2d::new(3).forward(x)?)?;
                let z = BatchNorm::new().forward(z)?.relu();
                head(BatchNorm::new().forward((y * z)?)?.relu())
            }),
        ),
        (
            "a product with itself, of images and of one pixel",
            net((3, 4, 4), |x| {
                let y = (x * Dense::new(3).forward(x)?.sigmoid())?;
                let y = GlobalAvgPool2d::new().forward(conv(5).forward(y)?.relu())?;
                Dense::new(4).forward((y * y)?)
            }),
        ),
        (
            "sigmoid of views, twice read, and as logits",
            net((2, 5, 5), |x| {
                let y = BatchNorm::new().forward(conv(17).forward(x)?)?.sigmoid();
                let z = (conv(17).forward(y.sigmoid())? + y)?.relu();
                Ok(head(z.sigmoid())?.sigmoid())
            }),
        ),
        (
            "a dense block with odd channels",
            net((3, 7, 6), |x| {
                let mut x = conv(13).forward(x)?;
                for growth in [5, 16, 7] {
                    let y = conv(growth).forward(BatchNorm::new().forward(x)?.relu())?;
                    x = x.concat(&[y])?;
                }
                head(BatchNorm::new().forward(x)?.relu())
            }),
        ),
        (
            "several parts, views, images, one of them twice",
            net((3, 6, 6), |x| {
                let y = BatchNorm::new().forward(conv(6).bias(false).forward(x)?)?.relu();
                let z = conv(16).forward(x)?;
                let w = conv(9).forward(x)?.relu();
                let all = z.concat(&[x, y, w, z])?;
                head((all.relu() + conv(50).forward(w)?)?.relu())
            }),
        ),
        (
            "a concatenation that a sum reads",
            net((2, 5, 5), |x| {
                let [a, b] = [conv(8).forward(x)?, conv(10).forward(x)?];
                let both = a.relu().concat(&[b.relu()])?;
                head((both + conv(18).forward(x)?)?.relu())
            }),
        ),
    ]
}
