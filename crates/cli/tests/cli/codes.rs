//! Exit codes: what is not there is 66, what the system refuses 74, what is not what it should be 65, in every command.

use crate::files::made_up_data;
use crate::import::network;
use crate::looking::GREY_PNG;
use crate::program::{Place, SMALL};

/// A folder with `net.safetensors`, `grey.png`, a file `text` and a folder `empty`.
fn place() -> Place {
    let place = Place::new();
    network(&place, "net.safetensors");
    place.write("grey.png", GREY_PNG);
    place.write("text", b"these are only words\n");
    std::fs::create_dir(place.path("empty")).expect("a folder");
    place
}

#[test]
fn every_command_has_the_same_code_for_the_same_fault() {
    let place = place();
    for (arguments, code, part) in [
        // not there
        ("predict --weights none.safetensors grey.png", 66, "none.safetensors"),
        ("predict --weights net.safetensors none.png", 66, "none.png"),
        ("predict --weights net.safetensors empty", 66, "empty"),
        ("predict --weights net.safetensors none/*.png", 66, "none/*.png"),
        ("predict --weights none.safetensors text", 66, "none.safetensors"),
        ("eval --weights none.safetensors", 66, "none.safetensors"),
        ("eval --weights net.safetensors --data-dir empty", 66, "empty"),
        ("import none.pth --model resnet20 -o out.safetensors", 66, "none.pth"),
        ("import net.safetensors --model resnet20 -o out.safetensors --class-names none.txt", 66, "none.txt"),
        ("export --weights none.safetensors -o out.onnx", 66, "none.safetensors"),
        ("export --weights net.safetensors -o out.onnx --proof-images none.png", 66, "none.png"),
        ("export --weights net.safetensors -o out.onnx --proof-images empty", 66, "empty"),
        ("train --data-dir empty", 66, "empty"),
        ("train --data fashion-mnist --data-dir none", 66, "none"),
        ("train --pretrained none.pth", 66, "none.pth"),
        ("train --pretrained resnet18", 66, "plusx weights get resnet18"),
        ("train --pretrained plain20", 2, "no pretrained weights for \"plain20\""),
        ("train --resume", 66, "--resume"),
        ("train --resume none", 66, "none"),
        ("train --resume empty", 66, "empty"),
        ("train --resume --name none", 66, "none"),
        ("compare --resume", 66, "--resume"),
        ("compare --resume empty", 66, "empty"),
        ("compare --data-dir none", 66, "none"),
        ("data path fashion-mnist --data-dir none", 66, "none"),
        ("export --weights net.safetensors --format safetensors -o none/out.safetensors", 66, "none/out"),
        ("import net.safetensors --model resnet20 -o none/out.safetensors", 66, "none/out"),
        // not what it should be
        ("predict --weights text grey.png", 65, "text"),
        ("predict --weights net.safetensors text", 65, "text"),
        ("eval --weights text", 65, "text"),
        ("import text --model resnet20 -o out.safetensors", 65, "text"),
        ("import net.safetensors --model resnet18 -o out.safetensors", 65, "net.safetensors"),
        ("export --weights text -o out.onnx", 65, "text"),
        ("export --weights net.safetensors -o out.onnx --proof-images text", 65, "text"),
        ("train --pretrained text", 65, "text"),
        // refused by the system: a folder is no file, and a file no folder
        ("predict --weights empty grey.png", 74, "empty"),
        ("predict --weights net.safetensors text/a.png", 74, "text/a.png"),
        ("eval --weights empty", 74, "empty"),
        ("import empty --model resnet20 -o out.safetensors", 65, "empty"),
        ("export --weights empty -o out.onnx", 74, "empty"),
        ("export --weights net.safetensors --format safetensors -o text/out.safetensors", 74, "text/out"),
        ("import net.safetensors --model resnet20 -o text/out.safetensors", 74, "text/out"),
        ("export --weights net.safetensors --format safetensors -o empty", 2, "empty"),
        ("train --data fashion-mnist-mini --output text", 74, "text"),
        ("train --data fashion-mnist-mini --output text/runs --name one", 74, "text/runs"),
        ("train --resume --output text", 74, "text"),
        ("compare --data fashion-mnist-mini --output text --models plain20,resnet20 --resize 16", 74, "text"),
        ("compare --resume --output text", 74, "text"),
        ("data get fashion-mnist --cache-dir text --mirror http://127.0.0.1:9/", 74, "text"),
        ("weights get resnet18 --cache-dir text --endpoint http://127.0.0.1:9", 74, "text"),
        // bad usage
        ("data path fashion-mnist-mini", 2, "--data fashion-mnist-mini"),
        ("data path imagenet", 2, "fashion-mnist"),
        ("weights get alexnet", 2, "resnet18"),
        ("weights get resnet34d", 2, "--sha256"),
        ("summary --model alexnet", 2, "resnet18"),
        ("predict --weights net.safetensors grey.png --excel --json", 2, "--excel"),
        // failed
        ("data get fashion-mnist --cache-dir cache --mirror http://127.0.0.1:9/", 1, "127.0.0.1"),
        ("plan --batch-size 18446744073709551615", 1, "smaller batch"),
    ] {
        let said = place.plusx(arguments);
        assert_eq!(said.code, Some(code), "plusx {arguments}: {said:?}");
        assert!(said.stderr.contains(part), "plusx {arguments}: {said:?}");
        assert!(said.stdout.is_empty(), "plusx {arguments}: {said:?}");
        assert!(!place.exists("out.safetensors") && !place.exists("out.onnx"), "plusx {arguments}");
    }
    assert_eq!(place.text("text"), "these are only words\n");
}

/// A file of so many zeros, which takes no room on the disk.
fn zeros(place: &Place, name: &str, bytes: u64) {
    let file = std::fs::File::create(place.path(name)).expect("a file to write");
    file.set_len(bytes).expect("a long file");
}

#[test]
fn a_file_that_is_too_large_or_no_text_is_a_bad_one_and_is_called_what_it_is() {
    const LATIN_1: &[u8] = b"caf\xe9\nbar\n";
    let place = place();
    zeros(&place, "large.txt", 17_000_000);
    place.write("latin.txt", LATIN_1);
    zeros(&place, "large.safetensors.index.json", 51_000_000);
    place.write("latin.safetensors.index.json", LATIN_1);
    zeros(&place, "large.safetensors", 2 << 40);
    for folder in ["long", "odd"] {
        made_up_data(&place, folder);
    }
    zeros(&place, "long/classes.txt", 17_000_000);
    place.write("odd/classes.txt", LATIN_1);
    let import = "import net.safetensors --model resnet20 -o out.safetensors";
    place.ok(&format!("train {SMALL} --max-steps 2 --measure-every 1 --name one"));
    place.ok(&format!("train {SMALL} --max-steps 2 --measure-every 1 --name two"));
    place.ok(&format!("train {SMALL} --max-steps 2 --measure-every 1 --name three"));
    place.write("runs/train/one/results.csv", LATIN_1);
    place.write("runs/train/two/points.csv", LATIN_1);
    place.write("runs/train/three/args.yaml", LATIN_1);
    for (arguments, parts) in [
        (
            &format!("{import} --class-names large.txt")[..],
            ["large.txt, as a file of class names", "more than"],
        ),
        (&format!("{import} --class-names latin.txt"), ["latin.txt, as a file of class names", "not UTF-8"]),
        (
            "import large.safetensors.index.json --model resnet20 -o out",
            ["list of weight files", "more than"],
        ),
        ("import latin.safetensors.index.json --model resnet20 -o out", ["list of weight files", "latin"]),
        ("import large.safetensors --model resnet20 -o out", ["large.safetensors", "limit"]),
        (
            "predict --weights large.safetensors grey.png",
            ["large.safetensors", "not a whole safetensors file"],
        ),
        ("train --pretrained large.safetensors", ["large.safetensors", "limit"]),
        ("train --data idx --data-dir long", ["classes.txt", "limit"]),
        ("train --data idx --data-dir odd", ["classes.txt", "UTF-8"]),
        ("train --resume runs/train/one --epochs 9", ["results.csv", "UTF-8"]),
        ("train --resume runs/train/two --epochs 9", ["points.csv", "UTF-8"]),
        ("train --resume runs/train/three --epochs 9", ["args.yaml", "UTF-8"]),
    ] {
        let said = place.plusx(arguments);
        assert_eq!(said.code, Some(65), "plusx {arguments}: {said:?}");
        assert!(parts.iter().all(|part| said.stderr.contains(part)), "plusx {arguments}: {said:?}");
        let is_of_weights = arguments.contains("large.safetensors") || arguments.contains("index.json");
        assert!(is_of_weights || !said.stderr.contains("weight file"), "plusx {arguments}: {said:?}");
        assert!(said.stdout.is_empty() && !place.exists("out"), "plusx {arguments}: {said:?}");
    }
}

#[cfg(unix)]
#[test]
fn folders_that_may_not_be_written_to_are_refused_by_the_system() {
    use std::os::unix::fs::PermissionsExt;
    let place = place();
    place.ok(&format!("train {SMALL} --max-steps 1 --name one"));
    std::fs::create_dir_all(place.path("shut/cache")).expect("a folder");
    let mode = |name: &str, bits: u32| {
        let permissions = std::fs::Permissions::from_mode(bits);
        std::fs::set_permissions(place.path(name), permissions).expect("permissions");
    };
    let closed = ["shut", "empty", "runs/train/one", "runs/train/one/weights"];
    closed.iter().for_each(|name| mode(name, 0o555));
    for arguments in [
        format!("train {SMALL} --max-steps 1 --output shut/runs"),
        format!("train {SMALL} --max-steps 1 --output empty"),
        format!("train {SMALL} --max-steps 1 --output empty --name two"),
        "train --resume runs/train/one --max-steps 2".to_owned(),
        "compare --data fashion-mnist-mini --resize 16 --models plain20,resnet20 --output empty".to_owned(),
        "import net.safetensors --model resnet20 -o empty/out.safetensors".to_owned(),
        "export --weights net.safetensors -o empty/out.onnx".to_owned(),
        "export --weights net.safetensors --format safetensors -o empty/out.safetensors".to_owned(),
        "weights get resnet18 --cache-dir shut/cache/none --endpoint http://127.0.0.1:9".to_owned(),
    ] {
        let Some(said) = place.unprivileged(&arguments) else { break };
        assert_eq!(said.code, Some(74), "plusx {arguments}: {said:?}");
        assert!(said.stderr.contains("ermission denied"), "plusx {arguments}: {said:?}");
    }
    closed.iter().for_each(|name| mode(name, 0o755));
}

#[test]
fn options_of_a_run_with_a_byte_order_mark_are_read_and_other_encodings_named() {
    let place = Place::new();
    place.ok(&format!("train {SMALL} --max-steps 1 --name one"));
    let args = "runs/train/one/args.yaml";
    let text = place.text(args);
    // as an editor of Windows leaves it
    place.write(args, format!("\u{feff}{}", text.replace('\n', "\r\n")).as_bytes());
    let said = place.ok("train --resume runs/train/one");
    assert!(said.stderr.contains("weights sha256"), "finished, and understood: {said:?}");
    let wide: Vec<u8> =
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    place.write(args, &wide);
    let said = place.plusx("train --resume runs/train/one");
    assert_eq!(said.code, Some(65), "{said:?}");
    assert!(said.stderr.contains("args.yaml"), "{said:?}");
}
