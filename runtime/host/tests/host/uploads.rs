//! What is refused at upload, and with which words.

use dacapo_engine::guest::{GuestHost as _, ModuleRejected};
use dacapo_host::{Compiler, HostConfig};
use dacapo_model::code::ErrorCode;
use dacapo_model::limits::Limits;
use dacapo_model::module::ModuleDigest;
use tempfile::TempDir;

use crate::guests::guest;
use crate::support::{config, host};

async fn inspect(bytes: &[u8]) -> ModuleRejected {
    host(config(), &[])
        .inspect(ModuleDigest::of(bytes), bytes)
        .await
        .expect_err("the module is refused")
}

#[tokio::test]
async fn only_what_is_the_modules_fault_is_remembered() {
    let guest = guest("std_only");
    for (ends, tries) in
        [("kill -XCPU $$", 1), ("exit 2", 2), ("kill -KILL $$", 2), ("kill -SEGV $$", 2)]
    {
        let folder = TempDir::new().expect("a folder");
        let tried = folder.path().join("tried");
        let script = format!("echo once >> '{}'; {ends}", tried.display());
        let arguments = vec!["-c".into(), script.into()];
        let compiler = Compiler::Process { program: "/bin/sh".into(), arguments };
        let config = HostConfig { compiler, cache_dir: folder.path().join("cache"), ..config() };
        let host = host(config, &[]);
        for _ in 0..2 {
            let inspected = host.inspect(guest.digest, &guest.bytes).await;
            inspected.expect_err("nothing was compiled");
        }
        let tried = std::fs::read_to_string(tried).expect("it was tried");
        assert_eq!(tried.lines().count(), tries, "{ends}");
    }
}

#[tokio::test]
async fn a_module_tells_what_it_defines() {
    let guest = guest("steps");
    let definitions =
        host(config(), &[]).inspect(guest.digest, &guest.bytes).await.expect("a module");
    let workflows: Vec<&str> = definitions.workflows.iter().map(|name| name.as_str()).collect();
    assert!(workflows.contains(&"sequential") && workflows.contains(&"effects"), "{workflows:?}");
    let activities: Vec<&str> = definitions.activities.iter().map(|name| name.as_str()).collect();
    assert!(activities.contains(&"noop") && activities.contains(&"echo"), "{activities:?}");
}

#[tokio::test]
async fn what_is_not_webassembly_is_refused() {
    for bytes in [&b""[..], b"\0", b"#!/bin/sh", b"\0asn\x0d\0\x01\0"] {
        let rejected = inspect(bytes).await;
        assert_eq!(rejected.code, ErrorCode::ModuleInvalid, "{bytes:?}");
    }
    assert!(inspect(b"").await.message.contains("empty"));
}

#[tokio::test]
async fn a_core_module_is_refused_with_how_to_make_a_component() {
    let rejected = inspect(b"\0asm\x01\0\0\0").await;
    assert_eq!(rejected.code, ErrorCode::ModuleInvalid);
    assert!(rejected.message.contains("wasm32-wasip2"), "{}", rejected.message);
}

#[tokio::test]
async fn a_truncated_or_damaged_component_is_refused() {
    let guest = guest("std_only");
    for length in [8, 100, guest.bytes.len() / 2, guest.bytes.len() - 1] {
        let rejected = inspect(&guest.bytes[..length]).await;
        // The first eight bytes alone are a valid, empty component.
        let expected =
            if length == 8 { ErrorCode::ModuleWrongWorld } else { ErrorCode::ModuleInvalid };
        assert_eq!(rejected.code, expected, "{length} bytes: {}", rejected.message);
    }
    let mut damaged = guest.bytes.clone();
    let middle = damaged.len() / 3;
    for byte in &mut damaged[middle..middle + 64] {
        *byte ^= 0xa5;
    }
    assert_eq!(inspect(&damaged).await.code, ErrorCode::ModuleInvalid);
}

#[tokio::test]
async fn another_world_is_refused_with_what_is_missing() {
    let rejected = inspect(&guest("wrong_world").bytes).await;
    assert_eq!(rejected.code, ErrorCode::ModuleWrongWorld);
    let missing = "dacapo:workflow/definitions@0.1.0";
    assert_eq!(rejected.details.get("export").map(String::as_str), Some(missing));
    assert!(rejected.message.contains(missing), "{}", rejected.message);
}

#[tokio::test]
async fn an_import_that_nobody_offers_is_refused_by_name() {
    let rejected = inspect(&guest("unknown_import").bytes).await;
    assert_eq!(rejected.code, ErrorCode::ModuleImportUnknown);
    assert_eq!(rejected.details.get("import").map(String::as_str), Some("acme:payments/api"));
}

#[tokio::test]
async fn what_a_module_names_and_does_not_export_is_refused() {
    let rejected = inspect(&guest("half_exported").bytes).await;
    assert_eq!(rejected.code, ErrorCode::ModuleWrongWorld);
    let missing = "dacapo:workflow/activity@0.1.0";
    assert_eq!(rejected.details.get("export").map(String::as_str), Some(missing));
    assert!(rejected.message.contains("`charge`"), "{}", rejected.message);
}

#[tokio::test]
async fn what_a_later_release_has_is_refused_with_what_to_do() {
    let guest = guest("released_0_1_0");
    for (known, later, import) in [
        ("is-observed", "is-obsolete", "dacapo:workflow/diagnostics@0.1.0#is-obsolete"),
        ("workflow/diagnostics", "workflow/astronomics", "dacapo:workflow/astronomics@0.1.0"),
        ("workflow/versions@0.1.0", "workflow/versions@0.3.0", "dacapo:workflow/versions@0.3.0"),
    ] {
        let rejected = inspect(&renamed(&guest.bytes, known, later)).await;
        assert_eq!(rejected.code, ErrorCode::ModuleImportUnknown, "{}", rejected.message);
        let named = rejected.details.get("import").map(String::as_str);
        assert_eq!(named, Some(import), "{}", rejected.message);
        assert!(rejected.message.contains("a newer server"), "{}", rejected.message);
    }
}

/// The same component with another name of something, which is as long.
fn renamed(component: &[u8], from: &str, to: &str) -> Vec<u8> {
    let (from, to) = (from.as_bytes(), to.as_bytes());
    assert_eq!(from.len(), to.len());
    let mut renamed = component.to_vec();
    let mut found = 0;
    for at in 0..renamed.len() - from.len() {
        if renamed[at..].starts_with(from) {
            renamed[at..at + from.len()].copy_from_slice(to);
            found += 1;
        }
    }
    assert!(found > 0, "{from:?} is not in the component");
    renamed
}

#[tokio::test]
async fn definitions_that_never_end_are_refused() {
    let rejected = inspect(&guest("endless_definitions").bytes).await;
    assert_eq!(rejected.code, ErrorCode::ModuleInvalid);
    assert!(rejected.message.contains("definitions"), "{}", rejected.message);
    let words = "the last it wrote to stderr: counting to infinity";
    assert!(rejected.message.ends_with(words), "{}", rejected.message);
}

#[tokio::test]
async fn a_module_over_the_size_limit_is_refused_before_it_is_compiled() {
    let guest = guest("steps");
    let limits = Limits { module_bytes_max: guest.bytes.len() - 1, ..Limits::default() };
    let rejected = host(HostConfig { limits, ..config() }, &[])
        .inspect(guest.digest, &guest.bytes)
        .await
        .expect_err("too large");
    assert_eq!(rejected.code, ErrorCode::ModuleTooLarge);
    assert!(rejected.message.contains(&guest.bytes.len().to_string()), "{}", rejected.message);
}

#[tokio::test]
async fn a_module_that_needs_more_memory_than_allowed_is_refused() {
    let guest = guest("std_only");
    let limits = Limits { instance_memory_bytes_max: 64 * 1024, ..Limits::default() };
    let rejected = host(HostConfig { limits, ..config() }, &[])
        .inspect(guest.digest, &guest.bytes)
        .await
        .expect_err("too small");
    assert_too_large(&rejected, "limits.instance_memory_bytes_max");
}

#[tokio::test]
async fn a_module_of_more_parts_than_the_pool_has_room_for_is_told_what_to_raise() {
    let one = |setting: fn(&mut Limits) -> &mut usize| {
        let mut limits = Limits::default();
        *setting(&mut limits) = 1;
        limits
    };
    let guest = guest("std_only");
    for (limits, setting) in [
        (one(|limits| &mut limits.instance_modules_max), "limits.instance_modules_max"),
        (one(|limits| &mut limits.instance_tables_max), "limits.instance_tables_max"),
        (one(|limits| &mut limits.instance_table_elements_max), TABLE_ELEMENTS),
    ] {
        let host = host(HostConfig { limits, ..config() }, &[]);
        let inspected = host.inspect(guest.digest, &guest.bytes).await;
        assert_too_large(&inspected.expect_err(setting), setting);
    }
}

const TABLE_ELEMENTS: &str = "limits.instance_table_elements_max";

fn assert_too_large(rejected: &ModuleRejected, setting: &str) {
    assert_eq!(rejected.code, ErrorCode::ModuleTooLarge, "{}", rejected.message);
    assert_eq!(rejected.details.get("setting").map(String::as_str), Some(setting));
    assert!(rejected.message.contains(&format!("Raise `{setting}`")), "{}", rejected.message);
}

#[tokio::test]
async fn many_uploads_of_one_module_at_once_all_succeed() {
    let guest = guest("std_only");
    let host = host(config(), &[]);
    let inspect = || host.inspect(guest.digest, &guest.bytes);
    let (a, b, c) = tokio::join!(inspect(), inspect(), inspect());
    assert_eq!(a, b);
    assert_eq!(b, c);
    assert!(a.is_ok());
}
