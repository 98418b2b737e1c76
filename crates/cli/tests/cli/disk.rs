//! A full disk ends a run with exit code 1 and leaves the last good checkpoint.
#![cfg(unix)]

use crate::program::{Place, SMALL, start};

const LAST: &str = "runs/train/exp/weights/last.safetensors";

#[test]
fn a_file_that_cannot_grow_leaves_the_old_checkpoint() {
    let place = Place::new();
    place.ok(&format!("train {SMALL} --max-steps 2"));
    let before = place.read(LAST);
    // 8 MiB a file (in blocks of 512 bytes): a checkpoint is larger; the signal would kill, the error must be handled
    let script = "trap '' XFSZ; ulimit -f 16384; exec \"$PLUSX\" train --resume --max-steps 4";
    let said = start(place.shell(script)).wait();
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("last.safetensors"), "{said:?}");
    assert!(place.read(LAST) == before, "the checkpoint changed");

    let said = place.ok("train --resume --max-steps 4");
    let undisturbed = Place::new();
    let whole = undisturbed.ok(&format!("train {SMALL} --max-steps 4"));
    assert_eq!(said.weights_sha256(), whole.weights_sha256());
}

#[test]
fn a_full_file_system_leaves_the_old_checkpoint() {
    let place = Place::new();
    // room for one checkpoint of about 45 MB and the small files, not for two; mounted for this script only
    let script = format!(
        "mkdir disk && mount -t tmpfs -o size=70m none disk || exit 77
         \"$PLUSX\" train {SMALL} --max-steps 4 --save-every 2steps --output disk --name run; code=$?
         cp disk/run/weights/last.safetensors kept.safetensors; exit $code"
    );
    let mut command = std::process::Command::new("unshare");
    let shell = place.shell(&script);
    command.args(["--mount", "sh", "-c", &script]).current_dir(place.path("."));
    command.envs(shell.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let can = std::process::Command::new("unshare").args(["--mount", "true"]).output();
    if !can.is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: mounting a small file system needs root");
        return;
    }
    let said = start(command).wait();
    if said.code == Some(77) {
        println!("SKIPPED: a small file system cannot be mounted here: {}", said.stderr);
        return;
    }
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("No space left"), "{said:?}");
    place.ok("eval --weights kept.safetensors --data fashion-mnist-mini --threads 2");
}
