//! More than a server has room for: it refuses some, cuts others off, and goes on.

use std::net::SocketAddr;

use dacapo_tests::{Client, Database, Server, Settings, eventually, on_both_databases};
use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

on_both_databases! {
    memory_stays_under_its_limit_while_large_bodies_and_unread_histories_pile_up,
    busy_instances_hold_no_more_memory_than_there_is_room_for,
    idle_connections_keep_nobody_out,
    clients_that_wait_on_all_connections_keep_nobody_out,
    a_foreign_page_and_a_foreign_name_are_refused,
}

const MIB: usize = 1024 * 1024;

/// What the server may take. By itself it takes about 100 MiB.
const LIMIT: usize = 400 * MIB;

/// What each large start has for an input.
const INPUT_BYTES: usize = 1_900_000;

async fn memory_stays_under_its_limit_while_large_bodies_and_unread_histories_pile_up(
    database: Database,
) {
    let settings = Settings::new(&database).environment("DACAPO_MEMORY_LIMIT", "400MiB");
    // All clients of a test have one address.
    let settings = settings.environment("DACAPO_CONNECTIONS_MAX", "1000");
    let server = settings.environment("DACAPO_CONNECTIONS_PER_ADDRESS_MAX", "1000").start().await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;

    // 150 bodies of which the last byte does not come: 285 MB, and several times that once
    // they are read.
    let large = json!({"workflow": "echo", "input": "x".repeat(INPUT_BYTES)}).to_string();
    let address = server.address();
    let mut stalled = JoinSet::new();
    for _ in 0..150 {
        stalled.spawn(start_without_the_end(address, large.clone()));
    }
    // Small ones get through, and large ones that do come are carried out, some of them
    // when they come again.
    let small = async {
        for number in 0..20 {
            let run = client.start("echo", json!(number)).await;
            assert_eq!(run.completed().await, number);
        }
    };
    let full = join_all((0..40).map(|_| start_again_and_again(&client, &large)));
    tokio::join!(small, full);
    for _ in 0..100 {
        let answer = stalled.join_next().await.expect("there are more").expect("it is answered");
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.contains("retry-after: 1"), "{answer}");
        assert!(answer.contains("\"overloaded\""), "{answer}");
    }
    drop(stalled);
    assert!(memory_high_water_bytes(&server) < LIMIT, "{}", memory_high_water_bytes(&server));

    // A history of 20 MB, and 200 who ask for it and read nothing.
    let run = client.start("ignores_cancellation", json!(600_000)).await;
    let signal = json!({"input": "x".repeat(MIB)});
    for _ in 0..20 {
        let path = format!("runs/{}/signals/unread", run.workflow_id);
        client.post(&path, &signal).await.ok(202);
    }
    let followers = join_all((0..200).map(|_| follow_unread(address, &run.workflow_id))).await;
    eventually("somebody who reads gets a page", async || {
        let path = format!("runs/{}/history", run.workflow_id);
        let answer = client.send(client.request(Method::GET, &path)).await;
        match answer.status {
            200 => Some(()),
            _ => {
                answer.error(503, "overloaded");
                None
            }
        }
    })
    .await;
    client.get("/health/ready").await.ok(200);
    assert!(memory_high_water_bytes(&server) < LIMIT, "{}", memory_high_water_bytes(&server));
    drop(followers);
}

/// A start whose body lacks its last byte; returns the answer.
async fn start_without_the_end(server: SocketAddr, body: String) -> String {
    let mut socket = TcpStream::connect(server).await.expect("it listens");
    let head = format!(
        "POST /api/v1/namespaces/default/runs HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes()).await.expect("the head can be sent");
    socket.write_all(&body.as_bytes()[..body.len() - 1]).await.expect("the body can be sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        let read = socket.read_buf(&mut answer).await.expect("it answers");
        assert_ne!(read, 0, "it hung up");
    }
    String::from_utf8(answer).expect("text")
}

async fn start_again_and_again(client: &Client, body: &str) {
    eventually("the start is accepted", async || {
        let answer = client.send(client.post_text("runs", body.to_owned())).await;
        match answer.status {
            201 => Some(()),
            _ => {
                answer.error(503, "overloaded");
                None
            }
        }
    })
    .await;
}

/// Asks for a live history and takes nothing of it.
async fn follow_unread(server: SocketAddr, workflow_id: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let mut socket = socket.connect(server).await.expect("it listens");
    let request = format!(
        "GET /api/v1/namespaces/default/runs/{workflow_id}/history?follow=true HTTP/1.1\r\n\
         Host: {server}\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.expect("the request can be sent");
    socket
}

async fn busy_instances_hold_no_more_memory_than_there_is_room_for(database: Database) {
    const ROOM: usize = 128 * MIB;
    const EACH: usize = 64 * MIB;
    let room = ROOM.to_string();
    let settings = Settings::new(&database).environment("DACAPO_INSTANCES_BYTES_MAX", &room);
    let server = settings.start().await;
    let client = server.client();
    client.upload_guests(&["steps", "hostile"]).await;
    let small = client.start("sequential", json!({"steps": 1})).await;
    assert_eq!(small.completed().await, 1);
    let before = memory_high_water_bytes(&server);

    // 1.5 GiB, if they had it at the same time.
    let large = join_all((0..24).map(|_| client.start("grow", json!(null)))).await;
    let small = client.start("sequential", json!({"steps": 5})).await;
    assert_eq!(small.completed().await, 5);
    for run in &large {
        assert_eq!(run.completed().await, "has 64 MiB");
    }
    // One goes beyond it at a time; the rest is what runs and their guests take besides.
    let grown = memory_high_water_bytes(&server) - before;
    assert!(grown < ROOM + EACH + 128 * MIB, "{} MiB", grown / MIB);
}

async fn idle_connections_keep_nobody_out(database: Database) {
    let settings = Settings::new(&database).environment("DACAPO_CONNECTIONS_MAX", "20");
    let server = settings.start().await;
    // Some say nothing, some do not end their head.
    let mut idle = Vec::new();
    for number in 0..60 {
        let mut socket = TcpStream::connect(server.address()).await.expect("it listens");
        if number % 2 == 0 {
            socket.write_all(b"GET /health/live HTTP/1.1\r\n").await.expect("it takes a part");
        }
        idle.push(socket);
    }
    // A client of its own each time: none of them has a connection yet.
    for _ in 0..5 {
        server.client().get("/health/live").await.ok(200);
    }
    // The one that has been idle longest had to go.
    let mut byte = [0; 1];
    let first = &mut idle[0];
    eventually("the first connection is closed", async || {
        matches!(first.read(&mut byte).await, Ok(0) | Err(_)).then_some(())
    })
    .await;
}

async fn clients_that_wait_on_all_connections_keep_nobody_out(database: Database) {
    const CONNECTIONS: usize = 20;
    let settings = Settings::new(&database).environment("DACAPO_CONNECTIONS_MAX", "20");
    let settings = settings.environment("DACAPO_CONNECTIONS_PER_ADDRESS_MAX", "20");
    let server = settings.start().await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    let run = client.start("cancellable", json!(null)).await;
    let mut followers = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut follower = follow_unread(server.address(), &run.workflow_id).await;
        // From here on it is at work.
        follower.read_u8().await.expect("the history begins");
        followers.push(follower);
    }
    server.client().get("/health/live").await.ok(200);
    let mut rest = Vec::new();
    eventually("the first of them is closed", async || {
        matches!(followers[0].read_buf(&mut rest).await, Ok(0) | Err(_)).then_some(())
    })
    .await;
    run.act("cancel", &json!({})).await.ok(202);
    assert_eq!(run.result().await["status"], "canceled");
}

async fn a_foreign_page_and_a_foreign_name_are_refused(database: Database) {
    let settings = Settings::new(&database).environment("DACAPO_SERVER_NAME", "dacapo.example");
    let server = settings.start().await;
    let client = server.client();
    let get = |name: &str, value: &str| client.request(Method::GET, "runs").header(name, value);
    client.send(get("host", "evil.example")).await.error(403, "host_not_allowed");
    client.send(get("host", "dacapo.example")).await.ok(200);
    client.send(get("sec-fetch-site", "cross-site")).await.error(403, "cross_site_request");
    client.send(get("origin", "http://evil.example")).await.error(403, "cross_site_request");
}

/// The most memory that the process has ever had.
fn memory_high_water_bytes(server: &Server) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()));
    let status = status.expect("Linux tells about processes in /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.trim().parse::<usize>().ok()).expect("a number of kB") * 1024
}
