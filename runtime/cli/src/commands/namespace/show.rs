//! `dacapo namespace show`

use std::time::Duration;

use anyhow::Result;
use dacapo_model::ids::NamespaceName;

use crate::args::ClientFlags;
use crate::client::wire::Namespace;
use crate::exit::Exit;
use crate::output;

/// Shows what is set of a namespace.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  dacapo namespace show shop")]
pub struct ShowArgs {
    /// Its name.
    #[arg(value_name = "NAME")]
    name: NamespaceName,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: ShowArgs) -> Result<Exit> {
    let answer = args.client.client()?.show_namespace(args.name.as_str()).await?;
    match args.client.is_json() {
        true => output::line(&answer.text)?,
        false => output::line(&describe(&answer.read()?))?,
    }
    Ok(Exit::Success)
}

pub(super) fn describe(namespace: &Namespace) -> String {
    let mut fields = vec![
        ("namespace", namespace.name.clone()),
        ("state", namespace.state.clone()),
        ("made", namespace.created_at.clone()),
        ("retention", retention(namespace.retention_seconds)),
    ];
    fields.extend(namespace.limits.iter().map(|(name, limit)| match limit.get("per_second") {
        Some(per_second) => {
            ("limit", format!("{name} {per_second} per second, {} at once", limit["burst"]))
        }
        None => ("limit", format!("{name} {limit}")),
    }));
    fields.push(("hosts", listed(namespace.allowed_hosts.as_deref())));
    fields.push(("secrets", listed(namespace.secrets.as_deref())));
    output::fields(&fields)
}

pub(super) fn retention(seconds: Option<u64>) -> String {
    seconds.map_or("until deleted".to_owned(), |seconds| {
        humantime::format_duration(Duration::from_secs(seconds)).to_string()
    })
}

fn listed(names: Option<&[String]>) -> String {
    match names {
        None => "all of the server".to_owned(),
        Some([]) => "none".to_owned(),
        Some(names) => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_told_in_words() {
        let namespace = serde_json::from_str(
            r#"{"name": "shop", "state": "active", "created_at": "2026-11-29T12:00:00Z",
                "retention_seconds": 172800, "allowed_hosts": ["a", "b:1"], "secrets": [],
                "limits": {"open_runs_max": 7, "start_rate": {"per_second": 0.5, "burst": 1}}}"#,
        )
        .expect("valid");
        let text = describe(&namespace);
        for told in
            ["2days", "open_runs_max 7", "start_rate 0.5 per second, 1 at once", "a, b:1", "none"]
        {
            assert!(text.contains(told), "{text}");
        }
        assert_eq!(retention(None), "until deleted");
        assert_eq!(listed(None), "all of the server");
    }
}
