//! One request and its response over `wasi:http`, within a time limit.

use std::time::Duration;

use wasip2::clocks::monotonic_clock;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    FutureIncomingResponse, Headers, IncomingBody, IncomingResponse, Method, OutgoingBody,
    OutgoingRequest, RequestOptions, Scheme,
};
use wasip2::io::poll::{Pollable, poll};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

use super::url::Url;
use super::{HttpError, Request, Response};
use crate::time::nanos;

/// How much of a response is asked for at once.
const READ_BYTES: u64 = 64 * 1024;

pub(super) fn exchange(request: &Request) -> Result<Response, HttpError> {
    let url = Url::parse(&request.url)?;
    let limit = TimeLimit::new(request.timeout);
    let outgoing = outgoing_request(request, &url)?;
    let body = outgoing.body().map_err(|()| refused("the request body"))?;
    let future = outgoing_handler::handle(outgoing, Some(request_options(request.timeout)))
        .map_err(|code| HttpError::from_code(code, url.authority, request.timeout))?;
    send_body(body, &request.body, &limit)?;
    let response = receive_head(&future, &url, &limit)?;
    let status = response.status();
    let headers = response.headers().entries();
    let body = receive_body(&response, request.max_body_bytes, &limit)?;
    Ok(Response::new(status, headers, body))
}

fn outgoing_request(request: &Request, url: &Url<'_>) -> Result<OutgoingRequest, HttpError> {
    let headers = Headers::new();
    for (name, value) in &request.headers {
        headers.append(name, value).map_err(|error| {
            HttpError::InvalidRequest(format!("the header `{name}` is refused: {error:?}"))
        })?;
    }
    let length = request.body.len().to_string();
    headers
        .append("content-length", length.as_bytes())
        .map_err(|error| HttpError::InvalidRequest(format!("content-length: {error:?}")))?;

    let outgoing = OutgoingRequest::new(headers);
    let scheme = if url.https { Scheme::Https } else { Scheme::Http };
    outgoing.set_method(&method(&request.method)).map_err(|()| refused(&request.method))?;
    outgoing.set_scheme(Some(&scheme)).map_err(|()| refused(&request.url))?;
    outgoing.set_authority(Some(url.authority)).map_err(|()| refused(url.authority))?;
    outgoing
        .set_path_with_query(Some(&url.path_with_query))
        .map_err(|()| refused(&url.path_with_query))?;
    Ok(outgoing)
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "CONNECT" => Method::Connect,
        "OPTIONS" => Method::Options,
        "TRACE" => Method::Trace,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

/// Tells the host the limit too, so that it gives up what this side no longer
/// waits for. A host that knows no such option is no reason to fail.
fn request_options(limit: Duration) -> RequestOptions {
    let limit = Some(nanos(limit));
    let options = RequestOptions::new();
    let _ = options.set_connect_timeout(limit);
    let _ = options.set_first_byte_timeout(limit);
    let _ = options.set_between_bytes_timeout(limit);
    options
}

fn send_body(body: OutgoingBody, bytes: &[u8], limit: &TimeLimit) -> Result<(), HttpError> {
    let sent = if bytes.is_empty() {
        true
    } else {
        let stream = body.write().map_err(|()| refused("the request body"))?;
        write_all(&stream, bytes, limit)?
    };
    // A service may answer without reading the body; then its answer counts,
    // and a connection that broke shows when the response is read.
    if sent {
        let _ = OutgoingBody::finish(body, None);
    }
    Ok(())
}

/// False if the other side stopped reading.
fn write_all(
    stream: &OutputStream,
    mut bytes: &[u8],
    limit: &TimeLimit,
) -> Result<bool, HttpError> {
    while !bytes.is_empty() {
        let Ok(room) = stream.check_write() else { return Ok(false) };
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        if room == 0 {
            limit.wait(&stream.subscribe())?;
            continue;
        }
        let (now, later) = bytes.split_at(room);
        if stream.write(now).is_err() {
            return Ok(false);
        }
        bytes = later;
    }
    if stream.flush().is_err() {
        return Ok(false);
    }
    limit.wait(&stream.subscribe())?;
    Ok(stream.check_write().is_ok())
}

fn receive_head(
    future: &FutureIncomingResponse,
    url: &Url<'_>,
    limit: &TimeLimit,
) -> Result<IncomingResponse, HttpError> {
    loop {
        match future.get() {
            None => limit.wait(&future.subscribe())?,
            Some(Ok(outcome)) => {
                return outcome
                    .map_err(|code| HttpError::from_code(code, url.authority, limit.duration));
            }
            Some(Err(())) => return Err(HttpError::Transport("no response was kept".to_owned())),
        }
    }
}

fn receive_body(
    response: &IncomingResponse,
    max_bytes: usize,
    limit: &TimeLimit,
) -> Result<Vec<u8>, HttpError> {
    let body: IncomingBody =
        response.consume().map_err(|()| HttpError::Transport("no body was kept".to_owned()))?;
    let stream: InputStream =
        body.stream().map_err(|()| HttpError::Transport("no body was kept".to_owned()))?;
    let mut bytes = Vec::new();
    loop {
        match stream.read(READ_BYTES) {
            Ok(chunk) if chunk.is_empty() => limit.wait(&stream.subscribe())?,
            Ok(chunk) => {
                if bytes.len() + chunk.len() > max_bytes {
                    return Err(HttpError::BodyTooLarge(max_bytes));
                }
                bytes.extend_from_slice(&chunk);
            }
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(HttpError::Transport(error.to_debug_string()));
            }
        }
    }
}

fn refused(what: &str) -> HttpError {
    HttpError::InvalidRequest(format!("`{what}` is refused"))
}

/// A time limit for all waits of an exchange together.
struct TimeLimit {
    duration: Duration,
    elapsed: Pollable,
}

impl TimeLimit {
    fn new(duration: Duration) -> Self {
        Self { duration, elapsed: monotonic_clock::subscribe_duration(nanos(duration)) }
    }

    fn wait(&self, event: &Pollable) -> Result<(), HttpError> {
        // What is ready comes first in the list, so a tie is no timeout.
        match poll(&[event, &self.elapsed]).first() {
            Some(0) => Ok(()),
            _ => Err(HttpError::Timeout(self.duration)),
        }
    }
}
