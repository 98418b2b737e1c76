//! How a server is asked, and what its answers mean.

use crate::DataError;
use std::io;
use std::time::Duration;
use ureq::http::{Response, header};
use ureq::{Agent, Body};

/// Time to reach a server. A firewall that swallows everything should not cost minutes.
const CONNECT: Duration = Duration::from_secs(15);

/// Longest silence of a server that is connected.
const SILENCE: Duration = Duration::from_secs(30);

/// Why an attempt failed.
pub(super) enum Failure {
    /// Trying again may help.
    Again(String),
    /// The server was not reached. Of one that has sent something, trying again may help; of another it mostly means
    /// a wrong address or a firewall, and waiting would only cost time.
    Unreached(String),
    /// This address will not give the file.
    Never(String),
    /// The file at this address is another one: its hash, or `None` for an archive that cannot be unpacked.
    Foreign(Option<String>),
    /// No address can help: the disk is full, say.
    Fatal(DataError),
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        Self::Fatal(error)
    }
}

/// The SHA-256 that the hub announces for the file at `url`, before it sends one on to where the file is: the header
/// `X-Linked-ETag` (`huggingface_hub` reads the same, in `file_download.py`).
pub(crate) fn announced(url: &str) -> Result<String, DataError> {
    let refused = |reason: String| DataError::Download {
        file: url.to_owned(),
        tried: vec![reason],
        kept: false,
        other: "--endpoint",
    };
    let request = agent(url).head(url).config().max_redirects(0).build();
    let response = request.call().map_err(|error| match failure(&error) {
        Failure::Again(reason) | Failure::Unreached(reason) | Failure::Never(reason) => refused(reason),
        Failure::Foreign(_) | Failure::Fatal(_) => refused(error.to_string()),
    })?;
    let status = response.status();
    if !status.is_success() && !status.is_redirection() {
        return Err(refused(format!("HTTP {status}")));
    }
    let tag = response.headers().get("x-linked-etag").and_then(|tag| tag.to_str().ok()).unwrap_or_default();
    let hash = tag.trim_start_matches("W/").trim_matches('"').to_ascii_lowercase();
    match hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(hash),
        false => Err(refused("it announces no SHA-256 (X-Linked-ETag); give it with --sha256".to_owned())),
    }
}

/// An agent for one address. A proxy is of no use, and mostly of none to be reached, for an address of this machine.
pub(super) fn agent(url: &str) -> Agent {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(CONNECT))
        .timeout_per_read(Some(SILENCE))
        .user_agent(concat!("plusx/", env!("CARGO_PKG_VERSION")));
    if is_local(url) {
        config = config.proxy(None);
    }
    config.build().into()
}

pub(super) fn is_local(url: &str) -> bool {
    let uri = url.parse::<ureq::http::Uri>().ok();
    let Some(host) = uri.as_ref().and_then(ureq::http::Uri::host) else { return false };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The first byte (absent for an answer without content) and the total length of `Content-Range`
/// (RFC 9110, section 14.4).
pub(super) fn content_range(response: &Response<Body>) -> Option<(Option<u64>, Option<u64>)> {
    let text = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = text.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
    let start = match range {
        "*" => None,
        range => Some(range.split_once('-')?.0.parse().ok()?),
    };
    let total = match total {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    Some((start, total))
}

/// Whether a request that failed before its answer came is worth another attempt.
pub(super) fn failure(error: &ureq::Error) -> Failure {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut, UnexpectedEof};
    let text = error.to_string();
    let reason = text.strip_prefix("io: ").unwrap_or(&text).to_owned();
    match error {
        ureq::Error::Io(error) => match error.kind() {
            BrokenPipe | ConnectionAborted | ConnectionReset | TimedOut | UnexpectedEof => {
                Failure::Again(reason)
            }
            // refused, no route, network down
            _ => Failure::Unreached(reason),
        },
        ureq::Error::Timeout(_)
        | ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::ConnectProxyFailed(_) => Failure::Unreached(reason),
        _ => Failure::Never(reason),
    }
}
