//! Why a run ended before its epochs, or has nothing left to do, in words.

use plusx_model::executor::Executor;

use super::Session;

impl<E: Executor> Session<'_, E> {
    /// Why a resumed run ends at once, and how to make it go on.
    pub(super) fn nothing_left(&self) -> String {
        let options = &self.job.options;
        match options.max_steps {
            _ if self.state.epoch < options.all_epochs() && self.state.has_stalled(options) => {
                format!("nothing is left to do, {}", self.stalled())
            }
            Some(max) if self.state.epoch < options.all_epochs() => format!(
                "nothing is left to do, the run has reached --max-steps {max}: go on with --epochs {} for all of its \
                 epochs, or with a larger --max-steps",
                options.epochs
            ),
            _ => {
                let done = match options.all_epochs() {
                    1 => "its only epoch is done".to_owned(),
                    epochs => format!("all {epochs} epochs are done"),
                };
                format!("nothing is left to do, {done}: go on with a larger --epochs")
            }
        }
    }

    /// Why a run ended before its epochs.
    pub(super) fn stalled(&self) -> String {
        let epoch = self.state.watched.or(self.state.best).map_or(0, |watched| watched.epoch);
        format!(
            "the run stopped after epoch {} because the accuracy has not risen since epoch {epoch}: go on with --resume and a \
             --patience above {}",
            self.state.epoch,
            self.state.epoch.saturating_sub(epoch)
        )
    }
}
