//! A server of a few lines, for tests of downloads.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What a client asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// `N` of `Range: bytes=N-`.
    pub(crate) from: Option<usize>,
}

/// A server on this machine that answers every request with the bytes a closure gives, and closes.
pub(crate) struct Server {
    pub(crate) base: String,
    pub(crate) requests: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(mut answer: impl FnMut(&Request) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}/", listener.local_addr().unwrap());
        let (requests, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (seen, stopped) = (requests.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let mut stream = stream.unwrap();
                let Some(request) = read_request(&stream) else { continue };
                seen.lock().unwrap().push(request.clone());
                // the client may hang up first
                let _ = stream.write_all(&answer(&request));
            }
        });
        Self { base, requests, stop, thread: Some(thread) }
    }

    pub(crate) fn starts_asked_for(&self) -> Vec<Option<usize>> {
        self.requests.lock().unwrap().iter().map(|request| request.from).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.base.trim_start_matches("http://").trim_end_matches('/'));
        self.thread.take().unwrap().join().unwrap();
    }
}

pub(crate) fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let path = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
    let mut from = None;
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        let line = line.to_ascii_lowercase();
        if let Some(range) = line.strip_prefix("range: bytes=") {
            from = range.strip_suffix('-').and_then(|start| start.parse().ok());
        }
    }
    Some(Request { path, from })
}

pub(crate) fn status(line: &str) -> Vec<u8> {
    format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}

/// All of `content`, of which only `sent` bytes arrive.
pub(crate) fn whole(content: &[u8], sent: usize) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", content.len());
    [head.as_bytes(), &content[..sent.min(content.len())]].concat()
}

/// The rest of `content` as asked for, of which only `sent` bytes arrive.
pub(crate) fn ranged(content: &[u8], request: &Request, sent: usize) -> Vec<u8> {
    let Some(from) = request.from else { return whole(content, sent) };
    let len = content.len();
    if from >= len {
        return format!("HTTP/1.1 416 No\r\nContent-Range: bytes */{len}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .into_bytes();
    }
    let (rest, last) = (&content[from..], len - 1);
    let head = format!(
        "HTTP/1.1 206 Partial\r\nContent-Range: bytes {from}-{last}/{len}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        rest.len()
    );
    [head.as_bytes(), &rest[..sent.min(rest.len())]].concat()
}
