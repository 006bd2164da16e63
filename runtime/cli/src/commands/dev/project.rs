//! A project that is built and uploaded, again and again.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use dacapo_model::module::ModuleDigest;

use super::watch::Watch;
use crate::client::Client;
use crate::client::wire::Module;
use crate::config::DEFAULT_LISTEN;
use crate::guest_build::{self, Built, Messages};
use crate::output::{brief, note, printable, quoted};

/// A project, and what of it the server has.
pub(super) struct Project {
    folder: PathBuf,
    client: Client,
    /// The last component of each package that the server took or refused.
    sent: Vec<(String, ModuleDigest)>,
}

impl Project {
    pub(super) fn new(folder: PathBuf, client: Client) -> Self {
        Self { folder, client, sent: Vec::new() }
    }

    /// Builds and uploads, now and after every change. Problems are told, and
    /// end with the next change that fixes them.
    pub(super) async fn keep_up_to_date(mut self) {
        // Before the first build, so that a change during it is not missed.
        let mut watch = match self.watch().await {
            Ok(watch) => watch,
            Err(error) => {
                note(&format!("can't watch {}: {error:#}", self.folder.display()));
                self.update().await;
                return;
            }
        };
        loop {
            self.update().await;
            if watch.changed().await.is_none() {
                note("source files are not watched any more; start again to go on");
                return;
            }
        }
    }

    async fn watch(&self) -> Result<Watch> {
        let mut folders = vec![self.folder.clone()];
        // While its manifest has an error there is only the project itself to watch.
        folders.extend(guest_build::source_folders(&self.folder).await.unwrap_or_default());
        Ok(Watch::new(&folders)?)
    }

    async fn update(&mut self) {
        note(&format!("building {}", self.folder.display()));
        let outcome = match guest_build::build(&self.folder, None, Messages::Shown).await {
            Ok(built) => self.upload_all(built).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = outcome {
            note(&printable(&format!("{error:#}; waiting for a change")));
        }
    }

    async fn upload_all(&mut self, built: Vec<Built>) -> Result<()> {
        for Built { package, component } in built {
            let bytes = tokio::fs::read(&component)
                .await
                .with_context(|| format!("can't read {}", component.display()))?;
            let digest = ModuleDigest::of(&bytes);
            if self.sent.contains(&(package.clone(), digest)) {
                note(&format!("{package} has not changed"));
                continue;
            }
            self.sent.retain(|(name, _)| *name != package);
            let answer = self
                .client
                .push_module(&package, bytes, false)
                .await
                .with_context(|| format!("{package} can't be uploaded"))?;
            self.sent.push((package, digest));
            self.introduce(&answer.read()?).await;
        }
        Ok(())
    }

    /// Says what a module has and how to try it.
    async fn introduce(&self, module: &Module) {
        let list = |names: &[String]| match names {
            [] => "none".to_owned(),
            names => printable(&names.join(", ")),
        };
        note(&format!(
            "{} version {} ({}) is ready\n  workflows   {}\n  activities  {}",
            module.name,
            module.version,
            brief(&module.digest, 13),
            list(&module.workflows),
            list(&module.activities)
        ));
        if let Some(workflow) = module.workflows.first() {
            let (folder, name) = (self.folder.clone(), workflow.clone());
            let example = move || guest_build::example_input(&folder, &name);
            let input = tokio::task::spawn_blocking(example).await.ok().flatten();
            note(&suggestion(self.client.server().as_str(), workflow, input.as_deref()));
        }
    }
}

/// How to start a workflow. If nobody knows what it takes, it says where that goes.
fn suggestion(server: &str, workflow: &str, input: Option<&str>) -> String {
    let server = server.trim_end_matches('/');
    let is_default = server == format!("http://{DEFAULT_LISTEN}");
    let flag = if is_default { String::new() } else { format!(" --server {server}") };
    let workflow = printable(workflow);
    let (argument, field) = match input {
        Some("null") => (String::new(), String::new()),
        Some(input) => (format!(" --input {}", quoted(input)), format!(r#", "input": {input}"#)),
        None => (" --input JSON".to_owned(), r#", "input": JSON"#.to_owned()),
    };
    let body = quoted(&format!(r#"{{"workflow": "{workflow}"{field}}}"#));
    format!(
        "try it:\n  dacapo run start {}{argument} --wait{flag}\n  \
         curl '{server}/api/v1/namespaces/default/runs?wait=10' --json {body}",
        quoted(&workflow)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_suggested_can_be_pasted_into_a_shell() {
        let lines = |input| suggestion("http://127.0.0.1:7233/", "greet", input);
        let curl = "curl 'http://127.0.0.1:7233/api/v1/namespaces/default/runs?wait=10' --json";
        assert_eq!(
            lines(Some("\"it's\"")),
            format!(
                "try it:\n  dacapo run start greet --input '\"it'\\''s\"' --wait\n  {curl} \
                 '{{\"workflow\": \"greet\", \"input\": \"it'\\''s\"}}'"
            )
        );
        assert!(lines(Some("null")).starts_with("try it:\n  dacapo run start greet --wait\n"));
        assert!(lines(None).contains("--input JSON --wait"));
        let other = suggestion("http://127.0.0.1:1234/", "say hello", None);
        assert!(other.contains("run start 'say hello' --input JSON --wait --server http://127"));
    }
}
