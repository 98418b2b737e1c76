//! The exponential moving average of parameters, and sums of gradients: plain passes over memory.
//!
//! **Numerics**: `f32`, each multiplication and addition rounded on its own, so the bytes are the same on every level.
//! **Kernels**: plain loops; memory is the limit, not the instructions.

/// `average = decay average + (1 - decay) values`, as torchvision's `ExponentialMovingAverage` has it.
///
/// # Panics
/// If there are not as many values.
pub fn move_average(decay: f64, values: &[f32], average: &mut [f32]) {
    assert_eq!(values.len(), average.len(), "an average for each value");
    let (old, new) = (decay as f32, (1.0 - decay) as f32);
    for (average, value) in average.iter_mut().zip(values) {
        *average = old * *average + new * value;
    }
}

/// `sum = held + sum`.
///
/// # Panics
/// If there are not as many values.
pub fn add(held: &[f32], sum: &mut [f32]) {
    assert_eq!(held.len(), sum.len(), "a value for each sum");
    for (sum, held) in sum.iter_mut().zip(held) {
        *sum += *held;
    }
}
