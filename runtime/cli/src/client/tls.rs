//! Whom a client trusts, and by what certificate servers know it.

use std::path::{Path, PathBuf};

use reqwest::{Certificate, ClientBuilder, Identity};

use super::ClientError;

/// The flags, each with its environment variable.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Server")]
pub struct ClientTlsFlags {
    /// Authorities (PEM) that certificates of servers may be of, instead of those that the
    /// system trusts.
    #[arg(long, value_name = "FILE", env = "DACAPO_CA_CERT")]
    pub ca_cert: Option<PathBuf>,

    /// Certificate (PEM) by which the server is to know this client.
    #[arg(long, value_name = "FILE", env = "DACAPO_CLIENT_CERT", requires = "client_key")]
    pub client_cert: Option<PathBuf>,

    /// The private key of that certificate (PEM).
    #[arg(long, value_name = "FILE", env = "DACAPO_CLIENT_KEY", requires = "client_cert")]
    pub client_key: Option<PathBuf>,
}

/// What the files of the flags hold.
#[derive(Debug, Clone, Default)]
pub struct ClientTls {
    /// Authorities in PEM; without, the system's.
    pub authorities: Option<Vec<u8>>,
    /// A certificate and its key in PEM.
    pub identity: Option<Vec<u8>>,
}

impl ClientTlsFlags {
    /// Reads the files.
    pub fn read(&self) -> Result<ClientTls, ClientError> {
        let authorities = self.ca_cert.as_deref().map(read).transpose()?;
        let identity = match (&self.client_cert, &self.client_key) {
            (Some(certificate), Some(key)) => {
                Some([read(certificate)?, b"\n".to_vec(), read(key)?].concat())
            }
            _ => None,
        };
        Ok(ClientTls { authorities, identity })
    }
}

impl ClientTls {
    pub(super) fn apply(&self, mut http: ClientBuilder) -> Result<ClientBuilder, ClientError> {
        if let Some(pem) = &self.authorities {
            let authorities = Certificate::from_pem_bundle(pem).unwrap_or_default();
            if authorities.is_empty() {
                let problem = "--ca-cert (DACAPO_CA_CERT) names a file without certificates in PEM";
                return Err(ClientError::TlsFile(problem.to_owned()));
            }
            http = http.tls_certs_only(authorities);
        }
        if let Some(pem) = &self.identity {
            let identity = Identity::from_pem(pem).map_err(|error| {
                ClientError::TlsFile(format!(
                    "the certificate of this client can't be used: {error}; --client-cert and \
                     --client-key name a certificate and its private key, in PEM and not encrypted"
                ))
            })?;
            http = http.identity(identity);
        }
        Ok(http)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ClientError> {
    std::fs::read(path)
        .map_err(|error| ClientError::TlsFile(format!("can't read {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_said_to_be_one() {
        let tls = ClientTls { authorities: Some(b"no PEM".to_vec()), identity: None };
        let error = tls.apply(reqwest::Client::builder()).expect_err("there is none");
        assert!(error.to_string().contains("--ca-cert"), "{error}");
        let tls = ClientTls { authorities: None, identity: Some(b"no PEM".to_vec()) };
        let error = tls.apply(reqwest::Client::builder()).expect_err("there is none");
        assert!(error.to_string().contains("--client-key"), "{error}");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let flags = ClientTlsFlags { ca_cert: Some("/no/ca.pem".into()), ..Default::default() };
        let error = flags.read().expect_err("it is not there");
        assert!(error.to_string().contains("/no/ca.pem"), "{error}");
    }
}
