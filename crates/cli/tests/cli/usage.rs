//! Options that cannot be meant are refused with code 2 and a hint.

use crate::program::Place;

#[test]
fn senseless_options_are_refused_with_a_hint() {
    let place = Place::new();
    for (arguments, hint) in [
        ("train --epoch 3", "--epochs"),
        ("train --batchsize 3", "--batch-size"),
        ("train --epochs 0", "--epochs"),
        ("train --epochs many", "--epochs"),
        ("train --lr nan", "--lr"),
        ("train --lr -1", "--lr"),
        ("train --momentum 1.5", "--momentum"),
        ("train --nesterov", "--momentum"),
        ("train --threads 0", "--threads"),
        ("train --isa sse9", "portable"),
        ("train --save-every 10", "10m"),
        ("train --name a/b", "--name"),
        ("train --recipe imagenet", "d2l"),
        ("train --model resnet9000", "resnet18-d2l"),
        ("train --data imagenet", "fashion-mnist"),
        ("train --data fashion_mnist", "did you mean fashion-mnist?"),
        ("train --model resnt18-d2l", "did you mean resnet18-d2l?"),
        ("compare --models plain20,ResNet20", "did you mean resnet20?"),
        ("summary --model resnet-50", "did you mean resnet50?"),
        ("train --preprocess imagnet", "did you mean imagenet?"),
        ("weights get resnet5O", "did you mean resnet50?"),
        ("train --resume --exist-ok", "--resume"),
        ("train --time 0s", "at least 1s"),
        ("train --time 20", "20m"),
        ("train --time soon", "1h30m"),
        ("train --time=-5m", "--time"),
        ("train --smoke --resume", "--smoke"),
        ("train --smoke --dry-run", "--smoke"),
        ("compare --time 20m", "--time"),
        ("train --measure-every 0", "--measure-every"),
        ("compare --models plain20", "at least two"),
        ("compare --models plain20,resnet20,plain20", "once"),
        ("compare --models plain20,plain9000", "plain56"),
        ("compare --models plain20,plain56 --seeds 0", "--seeds"),
        ("compare --seed 4294967295", "4294967295"),
        ("compare --lr -1", "--lr"),
        ("compare --exist-ok", "--exist-ok"),
        ("compare --resume --dry-run", "--resume"),
        ("summary --input 96", "1x96x96"),
        ("summary --input 0x1x1", "1x96x96"),
        ("summary --model resnet9000", "resnet18-d2l"),
        ("summary --classes 0", "at least 1"),
        ("summary --classes 99999999999", "at most 2147483647"),
        ("summary --input 1x40000x40000", "input"),
        ("plan --input 1x40000x40000", "input"),
        ("bench train --input 1x40000x40000", "input"),
        ("plan --threads 2", "--threads"),
        ("bench train --steps 0", "--steps"),
        ("bench", "train"),
        ("predict --weights w.safetensors", "IMAGE"),
        ("eval", "--weights"),
        ("export --weights w.safetensors", "--output"),
        ("export --weights w.safetensors -o x --format coreml", "safetensors"),
        ("import w.pth -o x.safetensors", "--model"),
        ("import w.pth --model resnet9000 -o x.safetensors", "resnet50"),
        ("data get cifar", "fashion-mnist"),
        ("trian", "train"),
        ("", "train"),
    ] {
        let said = place.plusx(arguments);
        assert_eq!(said.code, Some(2), "plusx {arguments}: {said:?}");
        assert!(said.stderr.contains(hint), "plusx {arguments}: {said:?}");
        assert!(said.stdout.is_empty(), "plusx {arguments}: {said:?}");
        assert!(!place.exists("runs"), "plusx {arguments} left a run folder");
    }
}

#[test]
fn help_and_version_are_results() {
    let place = Place::new();
    let said = place.ok("--version");
    assert!(said.stdout.starts_with("plusx "), "{said:?}");
    let said = place.ok("train --help");
    for option in [
        "--recipe",
        "--model",
        "--data",
        "--data-dir",
        "--download",
        "--resize",
        "--epochs",
        "--batch-size",
        "--lr",
    ]
    .into_iter()
    .chain(["--momentum", "--nesterov", "--weight-decay", "--seed", "--threads", "--isa", "--output"])
    .chain(["--name", "--exist-ok", "--resume", "--save-every", "--max-steps", "--train-limit"])
    .chain(["--dry-run", "--json"])
    {
        assert!(said.stdout.contains(option), "{option}");
    }
}

#[test]
fn an_error_is_coloured_only_where_it_may_be() {
    let place = Place::new();
    let coloured = |variables: &[(&str, &str)]| {
        let mut command = place.command("eval --weights nowhere --data fashion-mnist-mini");
        command.envs(variables.iter().copied());
        crate::program::start(command).wait().stderr.contains("\x1b[")
    };
    assert!(!coloured(&[]), "no terminal, no colour");
    assert!(coloured(&[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
}
