//! `plusx weights`: listed without a network, fetched from `$HF_ENDPOINT`, and what was fetched can be imported.

use crate::program::Place;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

/// SHA-256 of `not weights` (FIPS 180-4, by `sha256sum`).
const HASH: &str = "3f0c3b7fe785be78e9825afcbddcb5ba3ff8ee8912970635cc145bef989be854";

/// A hub that answers every request with a file of a few bytes, until the process ends; its address.
fn hub() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let _ = lines.take_while(|line| !line.is_empty()).count();
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\nnot weights";
            // the client may hang up first
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

#[test]
fn the_list_names_source_and_licence() {
    let place = Place::new();
    let said = place.ok("weights list");
    for part in
        ["resnet18 ", "timm/resnet18.tv_in1k", "bsd-3-clause", "unknown", "timm/resnext101_64x4d.tv_in1k"]
    {
        assert!(said.stdout.contains(part), "{part}: {}", said.stdout);
    }
    assert!(!said.stdout.contains("yes"), "{}", said.stdout);
}

#[test]
fn weights_come_from_the_address_in_the_environment() {
    let place = Place::new();
    let hub = hub();
    let with = |arguments: &str| {
        let mut command = place.command(arguments);
        let output = command.env("HF_ENDPOINT", &hub).output().expect("plusx runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, _, errors) = with("weights get resnet34d --cache-dir cache");
    assert!(code == Some(2) && errors.contains("--trust-hub"), "{errors}");
    let (code, _, errors) = with("weights get resnet18 --cache-dir cache");
    assert!(code == Some(65) && errors.contains("694f673d") && errors.contains(HASH), "{errors}");
    assert!(!place.exists("cache/weights/resnet18.safetensors"));

    let (code, stdout, errors) = with(&format!("weights get resnet34d --cache-dir cache --sha256 {HASH}"));
    assert!(
        code == Some(0)
            && errors.contains("licence apache-2.0")
            && errors.contains("--model resnet34d --preprocess timm -o"),
        "{errors}"
    );
    assert_eq!(stdout.trim(), "cache/weights/resnet34d.safetensors");
    assert_eq!(place.text("cache/weights/resnet34d.safetensors"), "not weights");
    assert!(place.text("cache/weights/resnet34d.txt").contains("--preprocess timm"));
    assert!(place.text("cache/weights/resnet34d.txt").contains(&format!("source: {hub}/timm/")));
    assert!(place.ok("weights list --cache-dir cache").stdout.contains("resnet34d         yes"));
    let said = place.plusx("weights get resnet34d --cache-dir cache --endpoint http://127.0.0.1:1");
    assert_eq!(said.code, Some(0), "there already: {}", said.stderr);
}
