//! Reference loops of the poolings, sums in `f64`.

use super::{AvgBackwardArgs, AvgForwardArgs, MaxBackwardArgs, MaxForwardArgs};
use crate::elementwise::{SinkWriter, evaluate};
use crate::pitch;
use crate::shape::PoolShape;

/// Pixel of tap (`ky`, `kx`) of output (`oy`, `ox`), if it lies inside the map.
fn tap(shape: &PoolShape, [oy, ox]: [usize; 2], [ky, kx]: [usize; 2]) -> Option<usize> {
    let y = (oy * shape.stride[0] + ky).checked_sub(shape.padding[0]).filter(|y| *y < shape.h)?;
    let x = (ox * shape.stride[1] + kx).checked_sub(shape.padding[1]).filter(|x| *x < shape.w)?;
    Some(y * shape.w + x)
}

/// The output whose tap (`ky`, `kx`) is the pixel (`y`, `x`), if there is one.
fn window(shape: &PoolShape, at: [usize; 2], of: [usize; 2]) -> Option<usize> {
    let mut output = [0; 2];
    for axis in 0..2 {
        let start = (at[axis] + shape.padding[axis]).checked_sub(of[axis])?;
        output[axis] = start / shape.stride[axis];
        if !start.is_multiple_of(shape.stride[axis]) || output[axis] >= [shape.oh, shape.ow][axis] {
            return None;
        }
    }
    Some(output[0] * shape.ow + output[1])
}

pub(super) fn max_forward(mut args: MaxForwardArgs<'_>) {
    args.check();
    let shape = args.shape;
    let pitch = pitch(shape.c);
    let outputs = args.rows.len() * shape.ow;
    for output in 0..args.images * outputs {
        let (image, at) = (output / outputs, output % outputs + args.rows.start * shape.ow);
        for lane in 0..pitch {
            let mut best: Option<(f64, usize)> = None;
            for position in 0..shape.kernel[0] * shape.kernel[1] {
                let of = [position / shape.kernel[1], position % shape.kernel[1]];
                let Some(pixel) = tap(shape, [at / shape.ow, at % shape.ow], of) else { continue };
                let row = image * shape.h * shape.w + pixel;
                let value = evaluate(&args.src, row * pitch + lane, lane);
                if best.is_none_or(|(best, _)| value > best || value.is_nan()) {
                    best = Some((value, position));
                }
            }
            let (value, position) = best.expect("every window touches the map");
            args.dst.row(output)[lane] = value as f32;
            if let Some(winner) = &mut args.winner {
                winner.row(output)[lane] = position as u8;
            }
        }
    }
}

pub(super) fn max_backward(mut args: MaxBackwardArgs<'_>) {
    args.check();
    let shape = args.shape;
    let pitch = pitch(shape.c);
    let (pixels, outputs) = (shape.h * shape.w, shape.oh * shape.ow);
    let mut writer = SinkWriter::new(&mut args.sink, pixels);
    for image in 0..args.images {
        for pixel in 0..pixels {
            for lane in 0..pitch {
                let mut sum = 0.0;
                for position in 0..shape.kernel[0] * shape.kernel[1] {
                    let of = [position / shape.kernel[1], position % shape.kernel[1]];
                    let Some(output) = window(shape, [pixel / shape.w, pixel % shape.w], of) else {
                        continue;
                    };
                    let index = (image * outputs + output) * pitch + lane;
                    if usize::from(args.winner[index]) == position {
                        sum += f64::from(args.g[index]);
                    }
                }
                writer.put([image, pixel, lane], sum);
            }
        }
    }
}

pub(super) fn avg_forward(mut args: AvgForwardArgs<'_>) {
    args.check();
    let (pitch, pixels) = (args.shape.pitch, args.shape.pixels);
    for image in 0..args.images {
        for (lane, dst) in args.dst.row(image).iter_mut().enumerate() {
            let mut sum = 0.0;
            for pixel in 0..pixels {
                sum += evaluate(&args.src, (image * pixels + pixel) * pitch + lane, lane);
            }
            *dst = (sum / pixels as f64) as f32;
        }
    }
}

pub(super) fn avg_backward(mut args: AvgBackwardArgs<'_>) {
    args.check();
    let (pitch, pixels) = (args.shape.pitch, args.shape.pixels);
    let mut writer = SinkWriter::new(&mut args.sink, pixels);
    for image in 0..args.images {
        for pixel in 0..pixels {
            for lane in 0..pitch {
                writer.put([image, pixel, lane], f64::from(args.g[image * pitch + lane]) / pixels as f64);
            }
        }
    }
}
