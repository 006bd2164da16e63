//! The program as a shell sees it: exit codes, output, signals.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// The program, without what the environment of the tests may set for it.
fn dacapo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dacapo"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DACAPO_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> Output {
    command.output().expect("the program starts")
}

/// Exit code and standard error.
fn failure(command: &mut Command) -> (Option<i32>, String) {
    let output = run(command);
    (output.status.code(), String::from_utf8(output.stderr).expect("text"))
}

/// A server that is stopped with its test.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let mut child = serve(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("dacapo is ready at ").expect("the line").to_owned();
        Self { child, address }
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .expect("`kill` is there");
        assert!(status.success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, as the test wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(folder: &Path) -> Command {
    let database = format!("sqlite://{}", folder.join("dacapo.db").display());
    let mut command = dacapo(&["serve", "--database", &database, "--listen", "127.0.0.1:0"]);
    command.args(["--instances-max", "10", "--cache-dir"]).arg(folder.join("cache"));
    command
}

#[test]
fn a_folder_without_a_project_is_a_usage_error() {
    let folder = tempfile::tempdir().expect("temporary folder");
    for name in ["", "nowhere"] {
        let folder = folder.path().join(name).display().to_string();
        let (code, message) = failure(&mut dacapo(&["build", &folder]));
        assert_eq!(code, Some(2), "{message}");
        assert!(message.contains("dacapo.toml") && message.contains(&folder), "{message}");
    }
    assert_eq!(failure(&mut dacapo(&["build", "one", "other"])).0, Some(2));
}

#[test]
fn a_server_without_a_database_is_a_usage_error() {
    let (code, message) = failure(&mut dacapo(&["serve"]));
    assert_eq!(code, Some(2));
    assert!(message.contains("--database"), "{message}");
}

#[test]
fn a_flag_wins_over_a_variable_and_a_variable_over_the_file() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let file = folder.path().join("dacapo.toml");
    std::fs::write(&file, "log = \"[not a filter\"\nlog_format = \"json\"\n").expect("written");
    let file = file.to_str().expect("text");

    let (_, from_file) = failure(&mut dacapo(&["serve", "--config", file]));
    assert!(from_file.contains("[not a filter"), "{from_file}");

    let mut with_variable = dacapo(&["serve", "--config", file]);
    with_variable.env("DACAPO_LOG", "[also not");
    let (_, from_variable) = failure(&mut with_variable);
    assert!(from_variable.contains("[also not"), "{from_variable}");

    let (_, from_flag) = failure(with_variable.args(["--log", "info"]));
    assert!(from_flag.contains("--database"), "the filter is right, so this is next: {from_flag}");
}

#[test]
fn an_unknown_key_is_named_with_its_file_and_line() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let file = folder.path().join("dacapo.toml");
    std::fs::write(&file, "migrate = true\nlisen = \"127.0.0.1:1\"\n").expect("written");
    let (code, message) = failure(dacapo(&["serve", "--config"]).arg(&file));
    assert_eq!(code, Some(2));
    assert!(message.contains("dacapo.toml") && message.contains("line 2"), "{message}");
    assert!(message.contains("`lisen`"), "{message}");
}

#[test]
fn a_server_that_is_not_there_may_be_tried_again() {
    // Nothing can listen on port 0.
    let (code, message) = failure(&mut dacapo(&["run", "list", "--server", "http://127.0.0.1:0"]));
    assert_eq!(code, Some(3), "{message}");
}

/// Says the same to everybody who connects, whatever they send.
fn answering(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut socket in listener.incoming().filter_map(Result::ok) {
            let _ = socket.read(&mut [0; 4096]);
            let _ = socket.write_all(bytes);
        }
    });
    address.to_string()
}

#[test]
fn a_server_that_is_addressed_with_the_other_scheme_is_said_to_be_so() {
    let plain = answering(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
    let (code, message) =
        failure(&mut dacapo(&["run", "list", "--server", &format!("https://{plain}")]));
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("does not speak HTTPS"), "{message}");
    assert!(message.contains(&format!("--server http://{plain}")), "{message}");

    // A fatal alert: this is no handshake.
    let alert = answering(&[0x15, 3, 3, 0, 2, 2, 10]);
    let nginx = answering(
        b"HTTP/1.1 400 Bad Request\r\ncontent-length: 52\r\n\r\n\
          The plain HTTP request was sent to HTTPS port, nginx",
    );
    for secure in [alert, nginx] {
        let (code, message) =
            failure(&mut dacapo(&["run", "list", "--server", &format!("http://{secure}")]));
        assert_eq!(code, Some(2), "{message}");
        assert!(message.contains(&format!("--server https://{secure}")), "{message}");
    }
}

#[test]
fn a_command_line_that_nearly_fits_is_answered_with_one_that_does() {
    let told = |words: &[&str], meant: &str| {
        let (code, message) = failure(&mut dacapo(words));
        assert_eq!(code, Some(2), "{message}");
        assert!(message.contains(&format!("did you mean `{meant}`?")), "{message}");
    };
    told(&["run", "start", "greet", "--wait", "5"], "--wait=5s");
    told(&["run", "list", "--watch", "5"], "--watch=5s");
    told(&["start", "greet", "--wait"], "dacapo run start greet --wait");
    told(&["push", "app", "./my app"], "dacapo module push app './my app'");
}

#[test]
fn a_client_needs_no_certificates_for_http() {
    let mut command = dacapo(&["run", "list", "--server", "http://127.0.0.1:0"]);
    command.env("SSL_CERT_FILE", "/nonexistent").env("SSL_CERT_DIR", "/nonexistent");
    let (_, message) = failure(&mut command);
    assert!(!message.contains("certificate"), "{message}");
}

#[test]
fn a_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&mut dacapo(&["completions", shell]));
        assert_eq!(output.status.code(), Some(0));
        let script = String::from_utf8(output.stdout).expect("text");
        assert!(script.contains("conflict-policy"), "{shell}");
    }
    assert_eq!(failure(&mut dacapo(&["completions", "dos"])).0, Some(2));
}

#[test]
fn a_database_that_refuses_is_said_to_refuse_and_once() {
    let unreachable = "postgres://me:s3cr3t@127.0.0.1:1/d";
    let (code, message) = failure(&mut dacapo(&["migrate", "--database", unreachable]));
    assert_eq!(code, Some(1));
    assert_eq!(message.matches("refused").count(), 1, "{message}");
    assert!(!message.contains("timed out") && !message.contains("s3cr3t"), "{message}");
}

#[test]
fn a_server_answers_its_clients_and_stops_in_order() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut server = Server::start(folder.path());
    let address = server.address.clone();

    let list = run(&mut dacapo(&["run", "list", "--server", &address, "--output", "json"]));
    assert_eq!(list.status.code(), Some(0));
    assert_eq!(list.stdout, b"{\"runs\":[]}\n");
    assert!(list.stderr.is_empty(), "standard error is for messages");

    let (code, message) =
        failure(&mut dacapo(&["run", "show", "no-such-run", "--server", &address]));
    assert_eq!(code, Some(1));
    assert!(message.contains("run_not_found"), "{message}");

    // Whoever was to read the output is gone before there is any.
    let mut unread = dacapo(&["module", "list", "--server", &address]);
    let mut unread = unread.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    drop(unread.stdout.take());
    let mut message = String::new();
    unread.stderr.take().expect("piped").read_to_string(&mut message).expect("text");
    assert_eq!(unread.wait().expect("ends").code(), Some(0), "{message}");

    server.signal("TERM");
    assert_eq!(server.child.wait().expect("ends").code(), Some(0));
}

#[test]
fn a_second_server_on_one_sqlite_file_is_refused_until_the_first_is_killed() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut first = Server::start(folder.path());
    let (code, message) = failure(&mut serve(folder.path()));
    assert_eq!(code, Some(1));
    assert!(message.contains("another dacapo server"), "{message}");
    first.signal("KILL");
    first.child.wait().expect("ends");
    Server::start(folder.path());
}
