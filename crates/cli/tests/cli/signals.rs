//! Ctrl-C, SIGTERM and a closed terminal: the step is finished, the state saved, the way on told.
#![cfg(unix)]

use crate::program::{Place, Running, SMALL, Said, TINY, start};
use std::time::Duration;

const LAST: &str = "runs/train/exp/weights/last.safetensors";

/// Steps so long that several signals come inside one.
const BIG: &str = "--data fashion-mnist-mini --resize 96 --batch-size 64 --threads 1 --epochs 50 --json";

/// Longer than what counts as the same signal, passed on by a wrapper.
const AGAIN: Duration = Duration::from_millis(150);

fn long_run(place: &Place) -> Running {
    start(place.hearing(&format!("train {SMALL} --epochs 50 --json")))
}

/// Big steps, the first of which is done.
fn big_run(place: &Place, options: &str) -> Running {
    let mut running = start(place.hearing(&format!("train {BIG} {options}")));
    assert!(running.hear("\"event\":\"step\"", 1));
    running
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
fn sighup_saves_and_has_its_own_code() {
    let place = Place::new();
    let mut running = start(place.hearing(&format!("train {TINY} --epochs 200 --json")));
    assert!(running.hear("\"step\"", 1));
    running.signal("HUP");
    let said = running.wait();
    assert_eq!(said.code, Some(129), "{said:?}");
    assert!(resume_command(&said).ends_with("runs/train/exp"), "{said:?}");
    assert!(place.exists(LAST));
}

#[test]
fn a_closed_terminal_saves_though_nothing_can_be_said() {
    let place = Place::new();
    // the terminal's own shell dies, and with it all it has started; another one lives on to write the code down
    let inside =
        format!("trap : HUP; \\\"$PLUSX\\\" train {TINY} --epochs 500 --save-every epoch; echo $? > code");
    let script = format!("exec script -q -c \"sh -c '{}'; true\" /dev/null", inside.replace('$', "\\$"));
    let mut command = place.shell(&script);
    command.env("TERM", "xterm");
    let mut terminal = start(command);
    // it is about to draw its bar, and has no checkpoint yet
    if !terminal.until(|| place.exists("runs/train/exp/env.json")) {
        println!("SKIPPED: there is no terminal to be had: {:?}", terminal.wait());
        return;
    }
    terminal.kill();
    let deadline = std::time::Instant::now() + Duration::from_secs(120);
    while !place.exists("code") || place.text("code").is_empty() {
        assert!(std::time::Instant::now() < deadline, "it still runs");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(place.text("code").trim(), "129");
    assert!(place.exists(LAST));
}

#[test]
fn what_was_ignored_at_the_start_stays_ignored() {
    for (name, ignored) in [("HUP", "HUP"), ("INT", "INT")] {
        let place = Place::new();
        // as nohup does, and a shell for what it runs in the background
        let script = format!("trap '' {ignored}; exec \"$PLUSX\" train {TINY} --epochs 2 --json");
        let mut running = start(place.shell(&script));
        assert!(running.hear("\"event\":\"step\"", 1));
        running.signal(name);
        let said = running.wait();
        assert_eq!(said.code, Some(0), "{name}: {said:?}");
        assert!(said.stdout.contains("\"event\":\"finished\""), "{name}: {said:?}");
    }
}

#[test]
fn only_a_second_ctrl_c_is_impatient() {
    let place = Place::new();
    let running = big_run(&place, "");
    // `timeout` sends its signal twice, a service manager one of each
    for name in ["TERM", "TERM", "HUP"] {
        running.signal(name);
        std::thread::sleep(AGAIN);
    }
    let said = running.wait();
    assert_eq!(said.code, Some(143), "{said:?}");
    assert!(place.exists(LAST), "{said:?}");
    resume_command(&said);
}

#[test]
fn a_second_signal_leaves_at_once_and_says_what_is_lost() {
    let place = Place::new();
    let running = big_run(&place, "");
    running.signal("INT");
    std::thread::sleep(AGAIN);
    running.signal("INT");
    let said = running.wait();
    assert_eq!(said.code, Some(130), "{said:?}");
    assert!(!place.exists(LAST), "it did not wait for the step: {said:?}");
    let done = said.stdout.lines().filter(|line| line.contains("\"event\":\"step\"")).count();
    let steps = if done == 1 { "1 step, all".into() } else { format!("{done} steps, all") };
    for part in ["leaving at once", &steps, "nothing had been saved", "begins again"] {
        assert!(said.stderr.contains(part), "{part}: {said:?}");
    }
    assert!(resume_command(&said).ends_with("runs/train/exp"), "{said:?}");
}

#[test]
fn what_is_lost_is_counted_from_the_last_checkpoint() {
    let place = Place::new();
    let mut running =
        start(place.hearing(&format!("train {BIG} --model resnet20 --resize 48 --save-every 2steps")));
    assert!(running.hear("\"reason\":\"interval\"", 1));
    assert!(running.hear("\"event\":\"step\"", 1));
    running.signal("INT");
    std::thread::sleep(AGAIN);
    running.signal("INT");
    let said = running.wait();
    if said.stderr.contains("train --resume") && !said.stderr.contains("leaving at once") {
        println!("SKIPPED: the step ended between the two signals");
        return;
    }
    assert_eq!(said.code, Some(130), "{said:?}");
    let count = |text: &str| said.stdout.lines().filter(|line| line.contains(text)).count();
    let (steps, saved) = (count("\"event\":\"step\""), 2 * count("\"reason\":\"interval\""));
    let expected = match steps - saved {
        0 => "all finished steps are saved".into(),
        1 => "1 step since the last checkpoint, of epoch 1, are lost".to_string(),
        lost => format!("{lost} steps since the last checkpoint, of epoch 1, are lost"),
    };
    assert!(said.stderr.contains(&expected), "{expected}: {said:?}");
    assert!(said.stderr.contains(&format!("continues at step {} of epoch 1", saved + 1)), "{said:?}");
    // and there it does continue
    let said = place.ok(&format!("train --resume --max-steps {}", saved + 1));
    assert!(said.stderr.contains(&format!("after step {saved}")), "{said:?}");
}

#[test]
fn stopped_in_a_test_pass_it_goes_on_with_it() {
    let options = "--model resnet20 --data fashion-mnist-mini --resize 32 --train-limit 32 --batch-size 32 --threads 1 \
                   --epochs 2";
    let place = Place::new();
    let mut running = start(place.hearing(&format!("train {options} --json")));
    if !running.hear("\"event\":\"evaluating\"", 1) {
        println!("SKIPPED: a test pass takes less than 0.2 s here");
        return;
    }
    running.signal("INT");
    let said = running.wait();
    assert_eq!(said.code, Some(130), "{said:?}");
    let said = place.ok("train --resume");
    assert!(said.stderr.contains("in epoch 1 after step 1"), "{said:?}");
    let whole = Place::new().ok(&format!("train {options}"));
    assert_eq!(said.weights_sha256(), whole.weights_sha256());
    assert_eq!(said.epochs(), whole.epochs());
}

#[test]
fn a_comparison_tells_how_it_goes_on() {
    let place = Place::new();
    let options = "--models plain20,resnet20 --seeds 1 --data fashion-mnist-mini --resize 32 --batch-size 64 --threads 1";
    let mut running = start(place.hearing(&format!("compare {options} --json")));
    assert!(running.hear("\"event\":\"step\"", 1));
    running.signal("HUP");
    let said = running.wait();
    assert_eq!(said.code, Some(129), "{said:?}");
    assert!(said.stderr.contains("compare --resume runs/compare/exp"), "{said:?}");
}
