//! `cargo xtask api`: makes up requests from the description of the API, sends them
//! to a server, and holds the answers against the description.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::{guests, process, server};

/// What makes them up, and what it needs to know about the API.
const FOLDER: &str = "xtask/schemathesis";

/// What a server announces when it serves.
const READY: &str = "dacapo is ready at ";

/// Requests for each operation and kind of test. More find more, and take longer.
const EXAMPLES: &str = "40";

/// The same requests each time.
const SEED: &str = "20";

/// What is looked at in the answers. `positive_data_acceptance` is not: the hooks have
/// a check in its place that knows this API.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,\
                      negative_data_rejection,missing_required_header,unsupported_method,\
                      allow_header_conformance,shape_is_described";

pub(crate) fn run(root: &Path) -> Result<ExitCode> {
    let program = install(root)?;
    guests::build(root)?;
    let dacapo = server::build(root)?;
    let state = root.join("target/schemathesis/state");
    if state.exists() {
        std::fs::remove_dir_all(&state).context("can't remove the state of the last check")?;
    }
    std::fs::create_dir_all(&state)?;
    let server = Server::start(&dacapo, &state)?;
    prepare(root, &dacapo, &server.address)?;

    process::announce("sending requests that schemathesis makes up");
    process::pass_on(
        Command::new(program)
            .args(["--no-color", "run"])
            .arg(format!("{}/api/v1/openapi.json", server.address))
            .args(["--seed", SEED, "--max-examples", EXAMPLES, "--workers", "1"])
            .args(["--checks", CHECKS, "--continue-on-failure", "--warnings", "off"])
            // One that gets no answer is a failure, too.
            .args(["--request-timeout", "20", "--phases", "examples,coverage,fuzzing"])
            .args(["--suppress-health-check", "all"])
            .env("PYTHONPATH", root.join(FOLDER))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("SCHEMATHESIS_HOOKS", "hooks")
            .current_dir(&state),
    )
}

/// The program, in an environment of its own that is made if it is not there, or is
/// of other versions.
fn install(root: &Path) -> Result<PathBuf> {
    let requirements = root.join(FOLDER).join("requirements.txt");
    let wanted = std::fs::read_to_string(&requirements)
        .with_context(|| format!("can't read {}", requirements.display()))?;
    let environment = root.join("target/schemathesis/venv");
    let (program, installed) = (environment.join("bin/st"), environment.join("installed.txt"));
    if std::fs::read_to_string(&installed).is_ok_and(|is| is == wanted) {
        return Ok(program);
    }
    let Some(python) = process::on_path("python3") else {
        bail!(
            "the check of the API needs Python 3.10 or later with venv: install it, for example \
             with `apt install python3 python3-venv` or `brew install python`"
        );
    };
    process::announce("installing schemathesis into target/schemathesis");
    process::must(Command::new(python).args(["-m", "venv", "--clear"]).arg(&environment))
        .context("`python3 -m venv` did not work: install python3-venv and Python 3.10 or later")?;
    process::must(
        Command::new(environment.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .arg("--requirement")
            .arg(&requirements),
    )
    .context("can't install schemathesis from PyPI: is there a way to it?")?;
    std::fs::write(installed, wanted)?;
    Ok(program)
}

/// What the description takes as its examples is there.
fn prepare(root: &Path, dacapo: &Path, address: &str) -> Result<()> {
    let component = root.join("target/guests/wasm32-wasip2/release/checkout.wasm");
    let ask = |arguments: &[&str]| {
        let mut command = client(dacapo);
        process::output(command.args(arguments).args(["--server", address]))
    };
    ask(&["module", "push", "checkout", &component.to_string_lossy()])?;
    ask(&["run", "start", "checkout", "--workflow-id", "order-17"])?;
    Ok(())
}

/// The program, without what the environment may set for it.
fn client(dacapo: &Path) -> Command {
    let mut command = Command::new(dacapo);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DACAPO_") {
            command.env_remove(name);
        }
    }
    command
}

/// A server that ends with this.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(dacapo: &Path, state: &Path) -> Result<Self> {
        let log = std::fs::File::create(state.join("server.log"))?;
        let mut process = client(dacapo)
            .args(["serve", "--listen", "127.0.0.1:0", "--database"])
            .arg(format!("sqlite://{}", state.join("dacapo.db").display()))
            .arg("--cache-dir")
            .arg(state.join("cache"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("can't start the server")?;
        let mut line = String::new();
        if let Some(stdout) = process.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        match line.trim().strip_prefix(READY) {
            Some(address) => Ok(Self { address: address.to_owned(), process }),
            None => {
                let _ = process.kill();
                bail!("the server did not start; see {}", state.join("server.log").display())
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
