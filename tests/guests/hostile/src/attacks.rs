//! The attacks. One that returns has found the runtime unimpressed: its result
//! tells what it saw.

use std::hint::black_box;
use std::net::TcpStream;

use wasip2::http::{outgoing_handler, types as http};

use crate::dacapo::workflow::{activity_context, operations, run_context};

type Attack = fn() -> Vec<u8>;

pub(crate) const ALL: &[(&str, Attack)] = &[
    ("allocate", allocate),
    ("loop", spin),
    ("recurse", recurse),
    ("recurse_with_arrays", recurse_with_arrays),
    ("write_far_away", write_far_away),
    ("big_result", big_result),
    ("big_input", big_input),
    ("flood_stdout", flood_stdout),
    ("hoard_headers", hoard_headers),
    ("call_without_end", call_without_end),
    ("call_a_million_times", call_a_million_times),
    ("grow", grow),
    ("tcp", tcp),
    ("http", http),
    ("ask_attempt", ask_attempt),
    ("read_file", read_file),
    ("write_file", write_file),
    ("trap", trap),
    ("panic", panic),
    ("exit", exit),
    ("million_timers", million_timers),
    ("million_activities", million_activities),
    ("await_unknown", await_unknown),
    ("cancel_unknown", cancel_unknown),
    ("empty_activity_type", empty_activity_type),
];

pub(crate) fn find(name: &str) -> Attack {
    ALL.iter().find(|(known, _)| *known == name).expect("the runtime asks for what is defined").1
}

/// Takes memory, and uses it, until there is none.
fn allocate() -> Vec<u8> {
    let mut hoard = Vec::new();
    loop {
        hoard.push(black_box(vec![1_u8; 1 << 20]));
    }
}

fn spin() -> Vec<u8> {
    let mut round = 0_u64;
    loop {
        round = black_box(round.wrapping_add(1));
    }
}

/// Uses up the call stack, long before the stack in the linear memory is full.
fn recurse() -> Vec<u8> {
    fn deeper(depth: u64) -> u64 {
        if black_box(depth) == u64::MAX { 0 } else { deeper(depth + 1) ^ depth }
    }
    deeper(0).to_string().into_bytes()
}

/// Uses up the stack in the linear memory, long before the call stack is.
fn recurse_with_arrays() -> Vec<u8> {
    fn deeper(depth: u64) -> u64 {
        let mut array = [depth; 512];
        array = black_box(array);
        if array[3] == u64::MAX { 0 } else { deeper(depth + 1) ^ array[5] }
    }
    deeper(0).to_string().into_bytes()
}

/// Misses its memory in an ordinary way.
fn write_far_away() -> Vec<u8> {
    let far = black_box(0xb000_0000_usize) as *mut u8;
    // SAFETY: there is none. It traps, which is what it is for.
    unsafe { far.write_volatile(1) };
    b"\"written\"".to_vec()
}

fn big_result() -> Vec<u8> {
    vec![b' '; 100 << 20]
}

fn big_input() -> Vec<u8> {
    let operation = operations::start_activity("panic", &vec![b' '; 100 << 20], &no_options());
    outcome(operations::wait(operation))
}

fn flood_stdout() -> Vec<u8> {
    let line = "all work and no play makes Jack a dull boy ".repeat(100);
    loop {
        println!("{line}");
    }
}

/// Leaves next to nothing in its own memory.
fn hoard_headers() -> Vec<u8> {
    let value = vec![b'a'; 60_000];
    let mut hoard = Vec::new();
    loop {
        let headers = http::Headers::new();
        headers.append("x-hoard", &value).expect("a header of that size is allowed");
        hoard.push(headers);
    }
}

/// Has the host do nearly all of the work.
fn call_without_end() -> Vec<u8> {
    loop {
        black_box(wasip2::random::random::get_random_bytes(64 * 1024));
    }
}

/// The shortest call that there is, in few instructions of its own.
fn call_a_million_times() -> Vec<u8> {
    for _ in 0..1_000_000 {
        black_box(run_context::is_cancel_requested());
    }
    b"\"called\"".to_vec()
}

/// Takes 64 MiB and uses all of it, and gives up the processor on the way. Half of it
/// comes from the host.
fn grow() -> Vec<u8> {
    let mut hoard = Vec::new();
    for _ in 0..32 {
        hoard.push(vec![1_u8; 1 << 20]);
        hoard.push(wasip2::random::random::get_random_bytes(1 << 20));
    }
    format!("\"has {} MiB\"", black_box(&hoard).len()).into_bytes()
}

fn tcp() -> Vec<u8> {
    seen(TcpStream::connect(("127.0.0.1", 80)).map(|_| "connected"))
}

fn http() -> Vec<u8> {
    let request = http::OutgoingRequest::new(http::Headers::new());
    request.set_scheme(Some(&http::Scheme::Http)).expect("this is a scheme");
    request.set_authority(Some("127.0.0.1:80")).expect("this is an authority");
    request.set_path_with_query(Some("/")).expect("this is a path");
    let future = match outgoing_handler::handle(request, None) {
        Ok(future) => future,
        Err(code) => return seen::<(), _>(Err(code)),
    };
    future.subscribe().block();
    seen(future.get().map(|response| response.map(|head| head.map(|head| head.status()))).ok_or(()))
}

/// There is no attempt to ask about in a workflow.
fn ask_attempt() -> Vec<u8> {
    format!("{:?}", activity_context::info()).into_bytes()
}

fn read_file() -> Vec<u8> {
    seen(std::fs::read("/etc/passwd").map(|bytes| bytes.len()))
}

fn write_file() -> Vec<u8> {
    seen(std::fs::write("/tmp/hostile", "was here"))
}

fn trap() -> Vec<u8> {
    #[cfg(target_arch = "wasm32")]
    std::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort()
}

fn panic() -> Vec<u8> {
    panic!("a hostile panic")
}

fn exit() -> Vec<u8> {
    std::process::exit(7)
}

fn million_timers() -> Vec<u8> {
    for _ in 0..1_000_000 {
        operations::start_timer(3_600_000_000_000);
    }
    operations::next();
    b"\"started\"".to_vec()
}

fn million_activities() -> Vec<u8> {
    for _ in 0..1_000_000 {
        operations::start_activity("panic", b"", &no_options());
    }
    operations::next();
    b"\"started\"".to_vec()
}

fn await_unknown() -> Vec<u8> {
    outcome(operations::wait(4711))
}

fn cancel_unknown() -> Vec<u8> {
    operations::cancel(4711);
    b"\"cancelled\"".to_vec()
}

fn empty_activity_type() -> Vec<u8> {
    outcome(operations::execute_activity("", b"", &no_options()))
}

pub(crate) fn no_options() -> operations::ActivityOptions {
    operations::ActivityOptions {
        start_to_close_timeout: None,
        schedule_to_close_timeout: None,
        schedule_to_start_timeout: None,
        heartbeat_timeout: None,
        retry: None,
        task_queue: None,
    }
}

fn outcome(outcome: Result<Vec<u8>, operations::Failure>) -> Vec<u8> {
    match outcome {
        Ok(result) => result,
        Err(failure) => seen::<(), _>(Err(failure.info.type_name)),
    }
}

/// What an attempt gave, as a JSON string.
fn seen<T: std::fmt::Debug, E: std::fmt::Debug>(attempt: Result<T, E>) -> Vec<u8> {
    let text = match attempt {
        Ok(value) => format!("got {value:?}"),
        Err(error) => format!("refused: {error:?}"),
    };
    format!("\"{}\"", text.replace(['\\', '"'], "'")).into_bytes()
}
