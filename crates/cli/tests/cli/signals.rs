//! Ctrl-C and SIGTERM: the step is finished, the state saved, the way on told.
#![cfg(unix)]

use crate::program::{Place, SMALL, Said, start};

fn long_run(place: &Place) -> crate::program::Running {
    start(place.command(&format!("train {SMALL} --epochs 50 --json")))
}

/// The command printed for going on.
fn resume_command(said: &Said) -> String {
    let line = said.stderr.lines().find(|line| line.contains("train --resume"));
    line.unwrap_or_else(|| panic!("no command: {said:?}")).trim().to_string()
}

#[test]
fn ctrl_c_saves_and_the_printed_command_goes_on() {
    let place = Place::new();
    let mut running = long_run(&place);
    assert!(running.hear("\"step\"", 3));
    running.signal("INT");
    let said = running.wait();
    assert_eq!(said.code, Some(130), "{said:?}");
    let steps = said.stdout.lines().filter(|line| line.contains("\"event\":\"step\"")).count();

    let script = format!("{} --max-steps {}", resume_command(&said), steps + 2);
    let said = start(place.shell(&script)).wait();
    assert_eq!(said.code, Some(0), "{said:?}");

    let undisturbed = Place::new();
    let whole = undisturbed.ok(&format!("train {SMALL} --epochs 50 --max-steps {}", steps + 2));
    assert_eq!(said.weights_sha256(), whole.weights_sha256());
}

#[test]
fn sigterm_saves_and_has_its_own_code() {
    let place = Place::new();
    let mut running = long_run(&place);
    assert!(running.hear("\"step\"", 1));
    running.signal("TERM");
    let said = running.wait();
    assert_eq!(said.code, Some(143), "{said:?}");
    assert!(resume_command(&said).ends_with("runs/train/exp"), "{said:?}");
    assert!(place.exists("runs/train/exp/weights/last.safetensors"));
}

#[test]
fn a_second_signal_leaves_at_once() {
    let place = Place::new();
    // big steps: both signals come inside the second, which the first signal waits for
    let big = "--data fashion-mnist-mini --resize 96 --batch-size 128 --threads 1 --epochs 50 --json";
    let mut running = start(place.command(&format!("train {big}")));
    assert!(running.hear("\"event\":\"step\"", 1));
    running.signal("INT");
    std::thread::sleep(std::time::Duration::from_millis(100));
    running.signal("INT");
    let said = running.wait();
    assert_eq!(said.code, Some(130), "{said:?}");
    assert!(!said.stderr.contains("train --resume"), "it did not wait for the step: {said:?}");
}
