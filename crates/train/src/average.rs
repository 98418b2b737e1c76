//! The average of the parameters in their place, while the network is measured.

use plusx_model::executor::Executor;

use crate::error::TrainError;

/// Does something with the average of the parameters, if there is one, in the place of the parameters, which are back afterwards
/// to the bit.
pub(crate) fn on_average<E: Executor, T>(
    executor: &mut E,
    work: impl FnOnce(&mut E) -> Result<T, TrainError>,
) -> Result<T, TrainError> {
    let Some(average) = executor.average() else { return work(executor) };
    let params = executor.params();
    executor.set_params(&average).map_err(TrainError::executor)?;
    drop(average);
    let done = work(executor);
    // also after an error: a checkpoint may still be written
    executor.set_params(&params).map_err(TrainError::executor)?;
    done
}
