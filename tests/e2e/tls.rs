//! HTTPS: who gets in, who is cut off, and how a certificate is replaced.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use dacapo_tests::{
    Authority, Client, Database, Kind, Output, Run, Server, Settings, TlsFolder, WorkerProcess,
    dacapo_with_input, eventually, within,
};
use dacapo_worker::{ActivityContext, CancellationToken, Connection, Worker};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use reqwest::ClientBuilder;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Longer than a server waits for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A server with a certificate, and who it is of.
struct Secured {
    server: Server,
    authority: Authority,
    folder: TlsFolder,
    _database: Database,
}

impl Secured {
    async fn start() -> Self {
        Self::start_with(|settings| settings).await
    }

    async fn start_with(set: impl FnOnce(Settings) -> Settings) -> Self {
        let database = Database::fresh(Kind::Sqlite).await;
        let authority = Authority::new();
        let folder = TlsFolder::new(&authority, &authority.server());
        let server = set(Settings::new(&database).tls(&folder)).start().await;
        Self { server, authority, folder, _database: database }
    }

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// A client that trusts the authority.
    fn client(&self) -> Client {
        Client::over_tls(self.address(), trusting(&self.authority))
    }

    /// The command line, which trusts it as well.
    async fn dacapo(&self, arguments: &[&str]) -> Output {
        let authority = self.folder.path("ca.pem");
        let arguments = [arguments, &["--ca-cert", &authority]].concat();
        dacapo_with_input(&self.server.url(), &arguments, "").await
    }
}

fn trusting(authority: &Authority) -> ClientBuilder {
    let authority = reqwest::Certificate::from_pem(authority.pem().as_bytes()).expect("in PEM");
    reqwest::Client::builder().tls_certs_only([authority])
}

#[expect(clippy::disallowed_methods, reason = "the time that passes is what is tested")]
fn begin() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "certificates are valid by the clock")]
fn days_from_now(days: i64) -> DateTime<Utc> {
    Utc::now() + TimeDelta::days(days)
}

/// A TLS connection that offers a protocol.
async fn connect(secured: &Secured, protocol: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(secured.authority.pem().as_bytes());
    roots.add(authority.expect("in PEM")).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(secured.address()).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// A connection that speaks HTTP/2.
async fn http_2(secured: &Secured) -> SendRequest<Empty<Bytes>> {
    let stream = connect(secured, b"h2").await.expect("the server agrees");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (requests, connection) = handshake.await.expect("it speaks HTTP/2");
    tokio::spawn(connection);
    requests
}

fn get(secured: &Secured, path: &str) -> Request<Empty<Bytes>> {
    let url = format!("https://{}{path}", secured.address());
    Request::get(url).body(Empty::new()).expect("a request")
}

#[tokio::test]
async fn a_run_is_started_and_read_over_https() {
    within("the test", async {
        let secured = Secured::start().await;
        assert!(secured.server.url().starts_with("https://"));
        let client = secured.client();
        client.upload_guests(&["steps"]).await;
        let run = client.start("sequential", json!({"steps": 3})).await;
        assert_eq!(run.completed().await, 3);
        let listed = secured.dacapo(&["run", "list", "-o", "json"]).await;
        assert_eq!(listed.json()[0]["runs"][0]["workflow_id"], run.workflow_id.as_str());
    })
    .await;
}

#[tokio::test]
async fn many_requests_share_a_connection_of_http_2() {
    within("the test", async {
        let secured = Secured::start().await;
        let client = secured.client();
        client.upload_guests(&["steps"]).await;
        // Half a megabyte, so it comes in many pieces.
        let run = client.start("echo", json!("x".repeat(500_000))).await;
        run.completed().await;
        let path = format!("/api/v1/namespaces/default/runs/{}/result", run.workflow_id);
        let mut requests = http_2(&secured).await;
        // With the first answer the client knows how many requests there may be at a time.
        let answer = requests.send_request(get(&secured, "/health/live")).await;
        assert_eq!(answer.expect("it is answered").status(), StatusCode::OK);
        let all = (0..100).map(|_| {
            let (mut requests, request) = (requests.clone(), get(&secured, &path));
            async move {
                requests.ready().await.expect("the connection is open");
                let answer = requests.send_request(request).await.expect("it is answered");
                assert_eq!(answer.status(), StatusCode::OK);
                answer.into_body().collect().await.expect("all of it comes").to_bytes().len()
            }
        });
        for bytes in futures::future::join_all(all).await {
            assert!(bytes > 500_000, "{bytes}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_in_http_2_and_the_connection_goes_on() {
    within("the test", async {
        let secured = Secured::start().await;
        let mut requests = http_2(&secured).await;
        let mut large = get(&secured, "/health/live");
        let value = "x".repeat(20 * 1024).parse().expect("a value");
        large.headers_mut().insert("x-large", value);
        let answer = requests.send_request(large).await.expect("it is answered");
        assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        let answer = requests.send_request(get(&secured, "/health/live")).await;
        assert_eq!(answer.expect("the connection is open").status(), StatusCode::OK);
    })
    .await;
}

#[tokio::test]
async fn a_server_that_stops_ends_its_connections_of_http_2() {
    within("the test", async {
        let secured = Secured::start().await;
        let mut requests = http_2(&secured).await;
        let answer = requests.send_request(get(&secured, "/health/live")).await;
        assert_eq!(answer.expect("it is answered").status(), StatusCode::OK);
        secured.server.stop().await;
        eventually("the connection is closed", async || requests.is_closed().then_some(())).await;
    })
    .await;
}

#[tokio::test]
async fn plain_http_is_told_to_use_https() {
    within("the test", async {
        let secured = Secured::start().await;
        let plain = Client::new(secured.address());
        plain.get("/health/live").await.error(400, "tls_required");
        let url = format!("http://{}", secured.address());
        let said = dacapo_with_input(&url, &["status"], "").await;
        said.exit(2);
        let instead = format!("try --server https://{}", secured.address());
        assert!(said.stderr.contains(&instead), "{said:?}");
        // What is neither is closed at once.
        let mut stream = TcpStream::connect(secured.address()).await.expect("it listens");
        stream.write_all(b"\x00\x01\x02").await.expect("it is sent");
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0);
        secured.server.logs("a TLS handshake failed").await;
    })
    .await;
}

#[tokio::test]
async fn slow_handshakes_are_cut_off_and_keep_nobody_out() {
    within("the test", async {
        let secured = Secured::start_with(|settings| {
            let settings = settings.environment("DACAPO_CONNECTIONS_MAX", "20");
            settings.environment("DACAPO_CONNECTIONS_PER_ADDRESS_MAX", "20")
        })
        .await;
        let begun = begin();
        let mut slow = Vec::new();
        for number in 0..60 {
            let mut stream = TcpStream::connect(secured.address()).await.expect("it listens");
            if number % 2 == 0 {
                // The beginning of a record that announces more than comes.
                stream.write_all(b"\x16\x03\x01\x02\x00\x01").await.expect("it is sent");
            }
            slow.push(stream);
        }
        for _ in 0..5 {
            secured.client().get("/health/live").await.ok(200);
        }
        let mut last = slow.pop().expect("there are many");
        let mut second_last = slow.pop().expect("there are many");
        for stream in [&mut last, &mut second_last] {
            // An alert may come before the end.
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        }
        assert!(begun.elapsed() >= HANDSHAKE / 2, "{:?}", begun.elapsed());
        assert!(begun.elapsed() < 4 * HANDSHAKE, "{:?}", begun.elapsed());
        let counted = eventually("the failures are counted", async || {
            let metrics = secured.client().get("/metrics").await.text;
            metrics.contains("dacapo_tls_handshake_failures_total").then_some(metrics)
        })
        .await;
        assert!(counted.contains("reason=\"timeout\""), "{counted}");
    })
    .await;
}

#[tokio::test]
async fn a_client_that_trusts_others_does_not_send_its_key() {
    within("the test", async {
        let secured = Secured::start().await;
        let stranger = secured.folder.write("other.pem", &Authority::new().pem());
        let arguments = ["status", "--ca-cert", stranger.to_str().expect("text")];
        let refused = dacapo_with_input(&secured.server.url(), &arguments, "").await;
        refused.exit(1);
        assert!(refused.stderr.contains("is not trusted"), "{refused:?}");
        assert!(refused.stderr.contains("--ca-cert"), "{refused:?}");
        secured.server.logs("a TLS handshake failed").await;
        secured.dacapo(&["status"]).await.exit(0);
    })
    .await;
}

#[tokio::test]
async fn a_new_certificate_is_taken_without_a_restart_and_a_broken_one_is_not() {
    within("the test", async {
        let secured = Secured::start().await;
        let kept = secured.client();
        kept.get("/health/live").await.ok(200);

        // The key of another certificate.
        secured.folder.write("server.key", &secured.authority.server().key);
        secured.server.hang_up();
        secured.server.logs("the new TLS certificate is not taken").await;
        secured.client().get("/health/live").await.ok(200);
        secured.folder.write("server.pem", "none");
        secured.server.hang_up();
        secured.server.logs("it holds none").await;
        secured.client().get("/health/live").await.ok(200);

        // One of another authority, which is found without being told.
        let other = Authority::new();
        secured.folder.put(&other.server());
        let client = Client::over_tls(secured.address(), trusting(&other));
        eventually("it is in use", async || {
            let request = client.request(reqwest::Method::GET, "/health/live");
            client.try_send(request).await.ok()
        })
        .await
        .ok(200);
        secured.server.logs("the new TLS certificate is in use").await;
        let former = secured.client();
        let request = former.request(reqwest::Method::GET, "/health/live");
        assert!(former.try_send(request).await.is_err(), "the former one is gone");
        // Connections that were there stay.
        kept.get("/health/live").await.ok(200);
    })
    .await;
}

#[tokio::test]
async fn a_certificate_that_is_due_is_said_and_measured() {
    within("the test", async {
        let database = Database::fresh(Kind::Sqlite).await;
        let authority = Authority::new();
        let end = days_from_now(5);
        let folder = TlsFolder::new(&authority, &authority.server_until(end));
        let server = Settings::new(&database).tls(&folder).start().await;
        server.logs("is due for renewal").await;
        server.logs("days_left=4").await;
        let client = Client::over_tls(server.address(), trusting(&authority));
        let metrics = client.get("/metrics").await.text;
        let value = metrics
            .lines()
            .find_map(|line| line.strip_prefix("dacapo_tls_certificate_expiry_seconds "))
            .expect("it is measured");
        let midnight = end.date_naive().and_hms_opt(0, 0, 0).expect("a time").and_utc();
        assert_eq!(value.parse(), Ok(midnight.timestamp()));
    })
    .await;
}

/// What a server says that does not start.
async fn refusal(set: impl FnOnce(Settings, &TlsFolder) -> Settings, folder: &TlsFolder) -> String {
    let database = Database::fresh(Kind::Sqlite).await;
    let mut server = set(Settings::new(&database), folder).spawn();
    assert_eq!(server.ended().await.code(), Some(2));
    eventually("it says why", async || Some(server.log()).filter(|log| log.contains("error:")))
        .await
}

#[tokio::test]
async fn files_that_can_not_be_used_are_named_at_start() {
    within("the test", async {
        let authority = Authority::new();
        let good = authority.server();
        let folder = TlsFolder::new(&authority, &good);
        let tls = |settings: Settings, folder: &TlsFolder| settings.tls(folder);

        folder.write("server.key", &authority.server().key);
        let said = refusal(tls, &folder).await;
        assert!(said.contains("is not that of the certificate"), "{said}");
        assert!(said.contains("server.key") && said.contains("server.pem"), "{said}");

        folder.put(&authority.server_until(days_from_now(-2)));
        let said = refusal(tls, &folder).await;
        assert!(said.contains("server.pem") && said.contains("it expired on"), "{said}");

        folder.put(&good);
        folder.write("server.key", &good.certificate);
        let said = refusal(tls, &folder).await;
        assert!(said.contains("server.key holds no private key"), "{said}");

        std::fs::remove_file(folder.path("server.pem")).expect("it was there");
        let said = refusal(tls, &folder).await;
        assert!(said.contains("can't read") && said.contains("server.pem"), "{said}");
    })
    .await;
}

#[tokio::test]
async fn a_key_that_all_may_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    within("the test", async {
        let database = Database::fresh(Kind::Sqlite).await;
        let authority = Authority::new();
        let folder = TlsFolder::new(&authority, &authority.server());
        let mode = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(folder.path("server.key"), mode).expect("its mode");
        let server = Settings::new(&database).tls(&folder).start().await;
        server.logs("may read the private key").await;
    })
    .await;
}

#[tokio::test]
async fn plain_http_with_other_machines_takes_a_flag() {
    within("the test", async {
        let authority = Authority::new();
        let folder = TlsFolder::new(&authority, &authority.server());
        let everywhere = |settings: Settings| settings.environment("DACAPO_LISTEN", "0.0.0.0:0");
        let said = refusal(|settings, _| everywhere(settings), &folder).await;
        assert!(said.contains("--tls-cert") && said.contains("--allow-plaintext"), "{said}");

        let database = Database::fresh(Kind::Sqlite).await;
        let settings = everywhere(Settings::new(&database)).argument("--allow-plaintext");
        assert!(settings.start().await.url().starts_with("http://0.0.0.0:"));
        let database = Database::fresh(Kind::Sqlite).await;
        let settings = everywhere(Settings::new(&database)).tls(&folder);
        assert!(settings.start().await.url().starts_with("https://0.0.0.0:"));
    })
    .await;
}

const QUEUE: &str = "doubles";

/// A server with a run that waits for an activity of a worker.
async fn with_work(secured: &Secured) -> Run {
    let client = secured.client();
    client.upload_guests(&["steps"]).await;
    let input = json!({"queue": QUEUE, "activity": "double", "steps": 3});
    client.start("remote_sequential", input).await
}

#[tokio::test]
async fn a_worker_in_rust_works_over_https() {
    within("the test", async {
        let secured = Secured::start().await;
        let run = with_work(&secured).await;
        let connection = Connection::new(&secured.server.url()).expect("an address");
        let connection = connection.ca_certificates(secured.authority.pem().as_bytes());
        let double = |_: ActivityContext, number: u64| async move { Ok(number * 2) };
        let worker = Worker::builder(connection.expect("an authority"), QUEUE);
        let worker = worker.activity("double", double).build().expect("a worker");
        tokio::select! {
            ended = worker.run(CancellationToken::new()) => panic!("it ended: {ended:?}"),
            result = run.completed() => assert_eq!(result, json!([0, 2, 4])),
        }
    })
    .await;
}

const PYTHON_WORKER: &str = "
import ssl, sys
from dacapo_worker import Worker

url, authority = sys.argv[1:]
tls = ssl.create_default_context(cafile=authority)
worker = Worker(url, task_queue='doubles', tls=tls)

@worker.activity
def double(number: int) -> int:
    return number * 2

worker.run()
";

#[tokio::test]
async fn a_worker_in_python_works_over_https() {
    within("the test", async {
        let secured = Secured::start().await;
        let run = with_work(&secured).await;
        let library = concat!(env!("CARGO_MANIFEST_DIR"), "/../worker-sdk/python/src");
        let mut worker = tokio::process::Command::new("python3")
            .args(["-c", PYTHON_WORKER, &secured.server.url(), &secured.folder.path("ca.pem")])
            .env("PYTHONPATH", library)
            .kill_on_drop(true)
            .spawn()
            .expect("python3 is there");
        tokio::select! {
            ended = worker.wait() => panic!("it ended: {ended:?}"),
            result = run.completed() => assert_eq!(result, json!([0, 2, 4])),
        }
    })
    .await;
}

#[tokio::test]
async fn dacapo_worker_works_over_https() {
    within("the test", async {
        let secured = Secured::start().await;
        let authority = secured.folder.path("ca.pem");
        let arguments = ["--ca-cert", authority.as_str()];
        let _worker = WorkerProcess::start(&secured.server, QUEUE, "steps", &arguments).await;
        let run = with_work(&secured).await;
        assert_eq!(run.completed().await, json!([0, 2, 4]));
    })
    .await;
}
