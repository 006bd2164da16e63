//! Whether a server encrypts its connections, and with what.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Result, bail};
use serde::Deserialize;

use crate::exit::UsageError;
use crate::http_server::{ClientAuthorities, TlsFiles};

/// The flags, each with its environment variable.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsFlags {
    /// The server's certificate in PEM, and those between it and its authority. With
    /// --tls-key, the server speaks HTTPS only. A new one is taken without a restart.
    #[arg(long, value_name = "FILE", env = "DACAPO_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,

    /// The private key of the certificate, in PEM and not encrypted.
    #[arg(long, value_name = "FILE", env = "DACAPO_TLS_KEY")]
    pub tls_key: Option<PathBuf>,

    /// Authorities in PEM of which certificates of clients are to be. A client with one is
    /// given the roles that the file names for it, without an API key.
    #[arg(long, value_name = "FILE", env = "DACAPO_TLS_CLIENT_CA")]
    pub tls_client_ca: Option<PathBuf>,

    /// Whether clients need a certificate to connect at all [default: optional].
    #[arg(long, value_name = "WHEN", env = "DACAPO_TLS_CLIENT_AUTH", value_enum)]
    pub tls_client_auth: Option<ClientAuth>,

    /// Speak plain HTTP also with other machines: where a proxy that has TLS is in front, or
    /// nobody else is in the network. API keys go over it in the clear.
    #[arg(
        long,
        value_name = "BOOL",
        env = "DACAPO_ALLOW_PLAINTEXT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub allow_plaintext: Option<bool>,
}

/// Whether clients need a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// Whoever has none may connect, and bring an API key.
    Optional,
    /// Whoever has none can't connect.
    Required,
}

impl TlsFlags {
    /// These, and what they leave out from the file.
    pub(super) fn over(self, file: FileTls) -> FileTls {
        FileTls {
            cert: self.tls_cert.or(file.cert),
            key: self.tls_key.or(file.key),
            client_ca: self.tls_client_ca.or(file.client_ca),
            client_auth: self.tls_client_auth.or(file.client_auth),
            allow_plaintext: self.allow_plaintext.or(file.allow_plaintext),
        }
    }
}

/// `[tls]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileTls {
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    client_ca: Option<PathBuf>,
    client_auth: Option<ClientAuth>,
    allow_plaintext: Option<bool>,
}

impl FileTls {
    /// Of a process that has none whatever the file says.
    pub(super) fn none() -> Self {
        Self { allow_plaintext: Some(true), ..Self::default() }
    }

    /// Which files, decided; none for plain HTTP.
    pub(super) fn resolve(self, listen: SocketAddr) -> Result<Option<TlsFiles>> {
        let required = self.client_auth == Some(ClientAuth::Required);
        if required && self.client_ca.is_none() {
            bail!(usage("whose certificates do clients need? Set --tls-client-ca"));
        }
        let has_authorities = self.client_ca.is_some();
        let clients = self.client_ca.map(|file| ClientAuthorities { file, required });
        match (self.cert, self.key) {
            (Some(certificate), Some(key)) => {
                return Ok(Some(TlsFiles { certificate, key, clients }));
            }
            (None, None) if has_authorities => {
                bail!(usage(
                    "clients show certificates over TLS only: set --tls-cert and --tls-key"
                ))
            }
            (Some(_), None) => {
                bail!(usage("a certificate needs its private key: set --tls-key"))
            }
            (None, Some(_)) => {
                bail!(usage("a private key needs its certificate: set --tls-cert"))
            }
            (None, None) => {}
        }
        if self.allow_plaintext != Some(true) && !listen.ip().is_loopback() {
            bail!(usage(&format!(
                "{listen} can be reached from other machines, and API keys and payloads would go \
                 over the network in the clear. Set --tls-cert and --tls-key; or \
                 --allow-plaintext, if a proxy that has TLS is in front of the server and nobody \
                 else reaches it; or --listen on a loopback address"
            )));
        }
        Ok(None)
    }
}

fn usage(problem: &str) -> UsageError {
    UsageError(problem.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANYWHERE: &str = "0.0.0.0:7233";

    fn resolved(flags: TlsFlags, file: &str, listen: &str) -> Result<Option<TlsFiles>> {
        let file = toml::from_str(file).expect("valid");
        flags.over(file).resolve(listen.parse().expect("an address"))
    }

    #[test]
    fn plain_http_beyond_this_machine_is_asked_for_by_name() {
        let refused = resolved(TlsFlags::default(), "", ANYWHERE).expect_err("in the clear");
        assert!(refused.to_string().contains("--allow-plaintext"), "{refused}");
        assert!(refused.is::<UsageError>());
        let refused = resolved(TlsFlags::default(), "", "[::]:7233");
        assert!(refused.is_err());
        let allowed = TlsFlags { allow_plaintext: Some(true), ..TlsFlags::default() };
        assert_eq!(resolved(allowed, "", ANYWHERE).expect("asked for"), None);
        let in_file = resolved(TlsFlags::default(), "allow_plaintext = true", ANYWHERE);
        assert_eq!(in_file.expect("asked for"), None);
        let taken_back = TlsFlags { allow_plaintext: Some(false), ..TlsFlags::default() };
        assert!(resolved(taken_back, "allow_plaintext = true", ANYWHERE).is_err());
        let local = resolved(TlsFlags::default(), "", "127.0.0.1:7233");
        assert_eq!(local.expect("nobody else reaches it"), None);
    }

    #[test]
    fn a_flag_wins_over_the_file_for_each_of_the_two_files() {
        let flags = TlsFlags { tls_key: Some("k".into()), ..TlsFlags::default() };
        let files = resolved(flags, "cert = \"c\"\nkey = \"other\"", ANYWHERE);
        let expected = TlsFiles { certificate: "c".into(), key: "k".into(), clients: None };
        assert_eq!(files.expect("both are there"), Some(expected));
    }

    #[test]
    fn files_that_need_others_are_a_mistake_alone() {
        for (file, missing) in [
            ("cert = \"c\"", "--tls-key"),
            ("key = \"k\"", "--tls-cert"),
            ("client_ca = \"a\"", "--tls-cert"),
            ("client_auth = \"required\"", "--tls-client-ca"),
        ] {
            let refused = resolved(TlsFlags::default(), file, "127.0.0.1:7233");
            let refused = refused.expect_err("one is missing").to_string();
            assert!(refused.contains(missing), "{refused}");
        }
    }
}
