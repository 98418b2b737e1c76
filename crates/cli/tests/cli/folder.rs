//! Run folders: their names, and who may write into one.

use crate::program::{Place, SMALL, start};

#[test]
fn unnamed_runs_are_numbered() {
    let place = Place::new();
    for _ in 0..2 {
        place.ok(&format!("train {SMALL} --max-steps 1"));
    }
    assert!(place.exists("runs/train/exp/args.yaml") && place.exists("runs/train/exp2/args.yaml"));
}

#[test]
fn a_named_run_is_never_overwritten_unasked() {
    let place = Place::new();
    let train = format!("train {SMALL} --max-steps 1 --output out --name one");
    place.ok(&train);
    let before = place.read("out/one/weights/last.safetensors");
    let said = place.plusx(&format!("{train} --seed 9"));
    assert_eq!(said.code, Some(2), "{said:?}");
    for hint in ["--exist-ok", "--resume"] {
        assert!(said.stderr.contains(hint), "{said:?}");
    }
    assert!(place.read("out/one/weights/last.safetensors") == before);

    place.ok(&format!("{train} --exist-ok"));
    place.ok("train --resume --output out --name one --max-steps 2");
}

#[test]
fn a_second_writer_is_kept_out() {
    let place = Place::new();
    let mut first = start(place.command(&format!("train {SMALL} --epochs 50 --json --name one")));
    assert!(first.hear("\"step\"", 1));
    for second in
        ["train --resume runs/train/one".to_string(), format!("train {SMALL} --name one --exist-ok")]
    {
        let said = place.plusx(&second);
        assert_eq!(said.code, Some(1), "{second}: {said:?}");
        assert!(said.stderr.contains("in use"), "{second}: {said:?}");
    }
    assert!(first.hear("\"step\"", 1), "the first goes on");
    first.kill();
    place.ok("train --resume runs/train/one --max-steps 3");
}
