//! What is uploaded is checked before anything is kept of it.

use bytes::Bytes;
use dacapo_tests::{Client, Database, Server, Settings, eventually, guest, on_both_databases};
use futures::stream;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

on_both_databases! {
    what_is_no_module_is_refused_with_the_reason,
    a_body_that_is_too_large_is_refused_without_being_kept_in_memory,
    versions_are_counted_and_open_runs_keep_theirs,
    a_type_that_two_modules_define_needs_the_name_of_the_module,
}

async fn what_is_no_module_is_refused_with_the_reason(database: Database) {
    let server = Server::start(&database).await;
    let client = server.client();
    let upload = async |bytes: Bytes, status, code: &str, reason: &str| {
        let error = client.upload("module", bytes).await.error(status, code);
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains(reason), "{message}");
        error
    };
    let good = guest("steps");
    upload(Bytes::new(), 422, "module_invalid", "empty").await;
    upload(Bytes::from_static(b"#!/bin/sh"), 422, "module_invalid", "WebAssembly").await;
    upload(good.slice(..8), 422, "module_wrong_world", "dacapo:workflow").await;
    for part in [2, 10, 100] {
        upload(good.slice(..good.len() * (part - 1) / part), 422, "module_invalid", "").await;
    }
    let core = Bytes::from_static(b"\0asm\x01\0\0\0");
    upload(core, 422, "module_invalid", "component").await;
    let error = upload(guest("wrong_world"), 422, "module_wrong_world", "does not export").await;
    assert!(error["details"]["export"].as_str().is_some(), "{error}");
    let error = upload(guest("unknown_import"), 422, "module_import_unknown", "acme:").await;
    assert_eq!(error["details"]["import"], "acme:payments/api", "{error}");
    upload(guest("endless_definitions"), 422, "module_invalid", "definitions").await;

    // Nothing is left of all that, and the server goes on.
    client.get("modules/module").await.error(404, "module_not_found");
    assert_eq!(client.get("modules").await.ok(200), json!({ "modules": [] }));
    client.upload("module", good).await.ok(201);
}

const MIB: usize = 1024 * 1024;

async fn a_body_that_is_too_large_is_refused_without_being_kept_in_memory(database: Database) {
    let limits = "[limits]\nmodule_bytes_max = 4_194_304";
    let server = Settings::new(&database).file(limits).start().await;
    let before = memory_high_water_bytes(&server);

    // One that says so is refused before it is sent.
    let mut socket = TcpStream::connect(server.address()).await.expect("it listens");
    let head = format!(
        "PUT /api/v1/namespaces/default/modules/big HTTP/1.1\r\nHost: localhost\r\n\
         Content-Length: {}\r\n\r\n",
        200 * MIB
    );
    socket.write_all(head.as_bytes()).await.expect("the head can be sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        let read = socket.read_buf(&mut answer).await.expect("it answers");
        assert_ne!(read, 0, "it hung up");
    }
    let answer = String::from_utf8(answer).expect("text");
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\"module_too_large\""), "{answer}");

    // One that does not is refused when it passes the limit.
    let chunk = Bytes::from(vec![0; MIB / 4]);
    let chunks = (0..800).map(move |_| Ok::<_, std::io::Error>(chunk.clone()));
    let body = reqwest::Body::wrap_stream(stream::iter(chunks));
    let client = server.client();
    let request = client.request(Method::PUT, "modules/big").body(body);
    client.send(request).await.error(413, "module_too_large");
    client.get("modules/big").await.error(404, "module_not_found");

    let grown = memory_high_water_bytes(&server).saturating_sub(before);
    assert!(grown < 32 * MIB, "the server's memory grew by {grown} bytes");
}

/// The most memory that the process has ever had.
fn memory_high_water_bytes(server: &Server) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()));
    let status = status.expect("Linux tells about processes in /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.trim().parse::<usize>().ok()).expect("a number of kB") * 1024
}

async fn versions_are_counted_and_open_runs_keep_theirs(database: Database) {
    let server = Server::start(&database).await;
    let client = server.client();
    let first = client.upload("app", guest("steps")).await.ok(201);
    assert_eq!(first["version"], 1);
    assert_eq!(first["size_bytes"], guest("steps").len());
    assert!(first["workflows"].to_string().contains("\"echo\""), "{first}");
    assert!(first["activities"].to_string().contains("\"noop\""), "{first}");
    assert_eq!(client.upload("app", guest("steps")).await.ok(200), first, "the same bytes");

    let old = client.start("ignores_cancellation", json!(300)).await;
    let second = client.upload("app", with_custom_section(&guest("steps"))).await.ok(201);
    assert_eq!(second["version"], 2);
    assert_ne!(second["digest"], first["digest"]);
    let new = client.start("info", Value::Null).await;
    assert_eq!(new.completed().await["module_digest"], second["digest"]);
    assert_eq!(old.describe().await["module_digest"], first["digest"]);

    // The old run goes on with its own version, also on another server.
    server.kill().await;
    let server = Server::start(&database).await;
    let client = server.client();
    assert_eq!(old.on(&server).completed().await, false);
    let versions = client.get("modules/app").await.ok(200);
    assert_eq!(versions, json!({ "versions": [first, second] }));
    assert_eq!(client.get("modules").await.ok(200), json!({ "modules": [second] }));
}

/// The same component with a note in it that nobody reads.
fn with_custom_section(component: &Bytes) -> Bytes {
    let mut bytes = component.to_vec();
    bytes.extend_from_slice(b"\x00\x06\x04note!");
    bytes.into()
}

async fn a_type_that_two_modules_define_needs_the_name_of_the_module(database: Database) {
    let server = Server::start(&database).await;
    let client: Client = server.client();
    client.upload("one", guest("steps")).await.ok(201);
    client.upload("other", with_custom_section(&guest("steps"))).await.ok(201);
    let ambiguous = json!({"workflow": "info"});
    client.post("runs", &ambiguous).await.error(409, "workflow_type_ambiguous");
    let digests = eventually("both versions are listed", async || {
        let listed = client.get("modules").await.ok(200);
        let modules = listed["modules"].as_array()?.clone();
        (modules.len() == 2).then_some(modules)
    })
    .await;
    for module in digests {
        let request = json!({"workflow": "info", "options": {"module": module["name"]}});
        let seen = client.start_with(&request).await.completed().await;
        assert_eq!(seen["module_digest"], module["digest"]);
    }
}
