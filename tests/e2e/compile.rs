//! What compiling an upload may take, and who has to wait for it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::SystemTime;

use bytes::Bytes;
use dacapo_tests::{
    Client, Database, Kind, Server, Settings, core_module, eventually, guest, with_core_module,
    within,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// One that no check sees through, and that takes minutes to compile. Each number
/// makes another.
fn heavy(number: u32) -> Bytes {
    with_core_module(&guest("std_only"), &core_module(40, 1_900 - number, 50))
}

fn limits(limits: &str) -> String {
    format!("[limits]\n{limits}\n")
}

async fn on_sqlite(test: impl AsyncFnOnce(Database)) {
    within("the test", test(Database::fresh(Kind::Sqlite).await)).await;
}

/// Processes that the server has started and that have not ended.
fn children(server: &Server) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid()));
    let tasks = tasks.expect("Linux tells about processes in /proc");
    let children =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok());
    children
        .flat_map(|pids| pids.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// When each file of a folder was written.
fn written(folder: &Path) -> BTreeMap<OsString, SystemTime> {
    let files = std::fs::read_dir(folder).expect("the folder is there").map(|file| {
        let file = file.expect("it is readable");
        let written = file.metadata().and_then(|metadata| metadata.modified());
        (file.file_name(), written.expect("files have times"))
    });
    files.collect()
}

/// Uploads whose clients wait for as long as it takes.
fn waiting_uploads(client: &Client, count: u32) -> Vec<tokio::task::JoinHandle<()>> {
    let upload = |number: u32| {
        let client = client.clone();
        tokio::spawn(async move {
            let _ = client.upload(&format!("heavy{number}"), heavy(number)).await;
        })
    };
    (0..count).map(upload).collect()
}

#[tokio::test]
async fn a_function_that_no_compiler_would_write_is_refused_at_once() {
    on_sqlite(async |database| {
        let server = Server::start(&database).await;
        let client = server.client();
        let bomb = with_core_module(&guest("std_only"), &core_module(1, 10_000, 100));
        let error = client.upload("bomb", bomb).await.error(422, "module_too_complex");
        assert!(error["message"].as_str().is_some_and(|it| it.contains("10000 locals")), "{error}");
        let many = with_core_module(&guest("std_only"), &core_module(100_001, 0, 0));
        client.upload("many", many).await.error(422, "module_too_complex");
        // Each compiler that has said no has left a line.
        assert!(!server.log().contains("a module could not be compiled"), "{}", server.log());
    })
    .await;
}

#[tokio::test]
async fn a_module_that_takes_too_long_is_refused_and_the_next_time_at_once() {
    on_sqlite(async |database| {
        let file = limits("compile_cpu_seconds_max = 2");
        let server = Settings::new(&database).file(&file).start().await;
        let client = server.client();
        let refused = client.upload("heavy", heavy(0)).await.error(422, "module_too_complex");
        let message = refused["message"].as_str().unwrap_or_default();
        assert!(message.contains("compile_cpu_seconds_max"), "{message}");
        let again = client.upload("heavy", heavy(0)).await.error(422, "module_too_complex");
        assert_eq!(again["message"], refused["message"]);
        let compiled = server.log().matches("a module could not be compiled").count();
        assert_eq!(compiled, 1, "it was compiled again: {}", server.log());
    })
    .await;
}

#[tokio::test]
async fn a_module_that_takes_too_much_memory_is_refused_and_the_server_takes_none_of_it() {
    on_sqlite(async |database| {
        let file = limits("compile_memory_bytes_max = 402_653_184");
        let server = Settings::new(&database).file(&file).start().await;
        let client = server.client();
        let big = with_core_module(&guest("std_only"), &core_module(90_000, 4, 1));
        let refused = client.upload("big", big).await.error(422, "module_too_complex");
        let message = refused["message"].as_str().unwrap_or_default();
        assert!(message.contains("compile_memory_bytes_max"), "{message}");
        client.get("/health/ready").await.ok(200);
    })
    .await;
}

#[tokio::test]
async fn compiling_ends_when_the_client_has_gone() {
    on_sqlite(async |database| {
        let server = Server::start(&database).await;
        let client = server.client();
        let uploads = waiting_uploads(&client, 2);
        eventually("both are compiled", async || (children(&server).len() == 2).then_some(()))
            .await;
        uploads.iter().for_each(tokio::task::JoinHandle::abort);
        eventually("nothing is compiled any more", async || {
            children(&server).is_empty().then_some(())
        })
        .await;
        // There is room for others again.
        client.upload_guests(&["std_only"]).await;
    })
    .await;
}

#[tokio::test]
async fn compiling_ends_with_a_server_that_is_killed() {
    on_sqlite(async |database| {
        let server = Server::start(&database).await;
        let _uploads = waiting_uploads(&server.client(), 1);
        let pid = eventually("it is compiled", async || children(&server).pop()).await;
        server.kill().await;
        let status = format!("/proc/{pid}/status");
        eventually("the compiler has ended", async || {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            (text.is_empty() || text.contains("State:\tZ")).then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn runs_of_known_modules_start_while_every_place_of_uploads_is_taken() {
    on_sqlite(async |database| {
        let cache = TempDir::new().expect("a folder");
        let settings = |folder: &str| {
            let folder = cache.path().join(folder).display().to_string();
            Settings::new(&database).environment("DACAPO_CACHE_DIR", &folder)
        };
        let server = settings("one").start().await;
        server.client().upload_guests(&["steps"]).await;
        server.kill().await;

        // Nothing is compiled yet: another version of the server, or a new machine.
        let server = settings("two").start().await;
        let client = server.client();
        let uploads = waiting_uploads(&client, 2);
        eventually("both are compiled", async || (children(&server).len() == 2).then_some(()))
            .await;
        let run = client.start("sequential", json!({"steps": 1})).await;
        assert_eq!(run.completed().await, json!(1));
        assert!(children(&server).len() >= 2, "the uploads are still compiled");
        uploads.iter().for_each(tokio::task::JoinHandle::abort);
        server.stop().await;

        // Now it is: it is loaded, whatever happens to be uploaded.
        let server = settings("two").start().await;
        let client = server.client();
        let uploads = waiting_uploads(&client, 2);
        eventually("both are compiled", async || (children(&server).len() == 2).then_some(()))
            .await;
        let before = written(&cache.path().join("two"));
        client.start("info", Value::Null).await.completed().await;
        assert_eq!(written(&cache.path().join("two")), before, "it was compiled again");
        assert_eq!(children(&server).len(), 2, "the uploads are still compiled");
        uploads.iter().for_each(tokio::task::JoinHandle::abort);
    })
    .await;
}
