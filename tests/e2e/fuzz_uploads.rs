//! Uploads that nobody wrote: whatever is sent is accepted, or refused with a code
//! that says why, within a bound of time and memory; and the server goes on.
//!
//! `cargo xtask fuzz-uploads` tries many seeds; each is repeatable by its number.

use std::time::{Duration, Instant};

use bytes::Bytes;
use dacapo_tests::{
    Client, Database, Kind, Server, Settings, core_module, guest, module_of, with_core_module,
    within,
};
use rand::rngs::StdRng;
use rand::{Rng as _, RngCore as _, SeedableRng as _};
use serde_json::json;

/// Seeds of a run of all tests.
const SEEDS: u64 = 30;

/// What the server may take for one.
const CPU_SECONDS_MAX: u64 = 5;

/// With the wait for a busy machine.
const TIME_MAX: Duration = Duration::from_secs(120);

/// What the server may grow by in all: it holds a few modules that were accepted.
const GROWTH_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Why an upload may be refused.
const REFUSALS: [&str; 5] = [
    "module_invalid",
    "module_wrong_world",
    "module_import_unknown",
    "module_too_complex",
    "module_too_large",
];

#[tokio::test]
async fn whatever_is_uploaded_is_accepted_or_refused_in_bounded_time_and_memory() {
    let (first, count) = (variable("DACAPO_FUZZ_FIRST", 0), variable("DACAPO_FUZZ_SEEDS", SEEDS));
    let database = Database::fresh(Kind::Sqlite).await;
    let limits = format!(
        "[limits]\ncompile_cpu_seconds_max = {CPU_SECONDS_MAX}\n\
         compile_memory_bytes_max = 1_073_741_824\n"
    );
    let server = Settings::new(&database).file(&limits).start().await;
    let client = server.client();
    let before = memory_bytes(&server);
    for seed in first..first + count {
        let (kind, bytes) = upload(seed);
        let length = bytes.len();
        let start = now();
        let sent = client.upload("fuzzed", bytes);
        let answer = match tokio::time::timeout(TIME_MAX, sent).await {
            Ok(answer) => answer,
            Err(_) => panic!("seed {seed} ({kind}): no answer within {TIME_MAX:?}"),
        };
        let body = answer.json();
        let code = body["code"].as_str().unwrap_or("accepted");
        println!("seed {seed}: {kind}, {length} bytes: {code} after {:?}", now() - start);
        // That the machine had no time is no verdict on the module.
        let busy = code == "unavailable" && answer.text.contains("other things to do");
        let fine = matches!(answer.status, 200 | 201) || REFUSALS.contains(&code) || busy;
        assert!(fine, "seed {seed} ({kind}): {answer:?}");
        let grown = memory_bytes(&server).saturating_sub(before);
        assert!(grown < GROWTH_BYTES_MAX, "seed {seed} ({kind}): the server grew by {grown} bytes");
    }
    within("an honest run", others_are_served(&client)).await;
    server.stop().await;
}

async fn others_are_served(client: &Client) {
    client.upload_guests(&["steps"]).await;
    let run = client.start("sequential", json!({"steps": 3})).await;
    assert_eq!(run.completed().await, 3);
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "the time that passes is what is tested")]
    Instant::now()
}

/// What the process holds in memory.
fn memory_bytes(server: &Server) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()));
    let status = status.expect("Linux tells about processes in /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.trim().parse::<usize>().ok()).expect("a number of kB") * 1024
}

/// What is uploaded for a seed, and what it is made of.
fn upload(seed: u64) -> (&'static str, Bytes) {
    let mut random = StdRng::seed_from_u64(seed);
    match seed % 5 {
        0 => ("random bytes after a header", component(&mut random)),
        1 => {
            let module = module(&mut random);
            ("a real one with a random module", with_core_module(&guest("std_only"), &module))
        }
        2 => {
            let functions: u32 = random.random_range(1..20_000);
            let locals = random.random_range(0..200);
            let functions = (functions / (locals + 1) + 1) as usize;
            let module = core_module(functions, locals, random.random_range(0..40));
            ("a real one with a costly module", with_core_module(&guest("std_only"), &module))
        }
        3 => ("a real one with other bytes", with_other_bytes(&guest("std_only"), &mut random)),
        _ => ("a real one with moved parts", with_moved_parts(&guest("std_only"), &mut random)),
    }
}

/// Sections of random kinds and contents, with their lengths.
fn component(random: &mut StdRng) -> Bytes {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    for _ in 0..random.random_range(1..50) {
        let length: u8 = random.random_range(0..0x80);
        let mut content = vec![0; length.into()];
        random.fill_bytes(&mut content);
        bytes.extend([random.random_range(0..13), length]);
        bytes.extend(content);
    }
    bytes.into()
}

/// Functions of random instructions that mostly can be read, if not run.
fn module(random: &mut StdRng) -> Vec<u8> {
    const CALM: [&[u8]; 10] = [
        b"\x20\x00",
        b"\x21\x01",
        b"\x41\x07",
        b"\x6a",
        b"\x1a",
        b"\x02\x40",
        b"\x03\x40",
        b"\x0b",
        b"\x0d\x00",
        b"\x01",
    ];
    let functions = random.random_range(1..200);
    let body = |random: &mut StdRng| {
        let mut body = vec![1, random.random_range(0..0x80), 0x7f];
        for _ in 0..random.random_range(0..3_000) {
            body.extend(CALM[random.random_range(0..CALM.len())]);
        }
        body.push(0x0b);
        body
    };
    module_of((0..functions).map(|_| body(random)))
}

fn with_other_bytes(component: &Bytes, random: &mut StdRng) -> Bytes {
    let mut bytes = component.to_vec();
    for _ in 0..random.random_range(1..8) {
        let at = random.random_range(8..bytes.len());
        bytes[at] = random.random();
    }
    bytes.into()
}

fn with_moved_parts(component: &Bytes, random: &mut StdRng) -> Bytes {
    let mut bytes = component.to_vec();
    let length = random.random_range(1..bytes.len() / 4);
    let from = random.random_range(8..bytes.len() - length);
    let part = bytes[from..from + length].to_vec();
    let to = random.random_range(8..bytes.len());
    match random.random_range(0..3) {
        0 => bytes.splice(to..to, part).for_each(drop),
        1 => bytes.drain(from..from + length).for_each(drop),
        _ => bytes.splice(to..(to + length).min(component.len()), part).for_each(drop),
    }
    bytes.into()
}
