//! Makes of the files what connections are encrypted with, or says what is wrong with them.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Result, anyhow};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, InconsistentKeys, RootCertStore, ServerConfig};

use super::certificate::Validity;
use super::files::{ClientAuthorities, Contents, TlsFiles};
use crate::exit::UsageError;

/// Protocols that clients may choose, the best one first.
pub(in crate::http_server) const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// Files that fit each other and are valid now.
pub(super) struct Loaded {
    pub(super) config: Arc<ServerConfig>,
    /// When the certificate expires, in seconds since 1970.
    pub(super) expires_at: u64,
}

/// Reads what the files hold, `now` in seconds since 1970.
pub(super) fn load(files: &TlsFiles, contents: &Contents, now: u64) -> Result<Loaded> {
    let provider = Arc::new(ring::default_provider());
    let chain = chain(files, &contents.certificate)?;
    let validity = chain.first().map_or_else(|| Err(anyhow!("it is empty")), Validity::of);
    let validity = validity.map_err(|error| of_certificate(files, &error.to_string()))?;
    if validity.ends <= now {
        return Err(of_certificate(files, &format!("it expired on {}", date(validity.ends))));
    }
    if validity.begins > now {
        return Err(of_certificate(
            files,
            &format!("it is valid from {} on only; is the clock right?", date(validity.begins)),
        ));
    }
    let key = certified_key(files, contents, chain, &provider)?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| anyhow!("TLS can't be set up: {error}"))?;
    let resolver = Arc::new(SingleCertAndKey::from(key));
    let mut config = match (&files.clients, &contents.authorities) {
        (Some(clients), Some(pem)) => {
            let verifier = verifier(clients, pem, &provider)?;
            let mut config =
                builder.with_client_cert_verifier(verifier).with_cert_resolver(resolver);
            // A session that goes on would bring its certificate along without another look.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
            config
        }
        _ => builder.with_no_client_auth().with_cert_resolver(resolver),
    };
    config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1.to_vec()];
    Ok(Loaded { config: Arc::new(config), expires_at: validity.ends })
}

/// The certificates of a file.
fn chain(files: &TlsFiles, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(of_certificate(
            files,
            "it holds none; it is to be in PEM, the server's own certificate first, then those \
             between it and the authority",
        )),
        Err(error) => Err(of_certificate(files, &error.to_string())),
    }
}

fn certified_key(
    files: &TlsFiles,
    contents: &Contents,
    chain: Vec<CertificateDer<'static>>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey> {
    let path = files.key.display();
    let key = PrivateKeyDer::from_pem_slice(&contents.key).map_err(|error| {
        UsageError(format!(
            "{path} holds no private key that can be read: {error}; it is to be in PEM and not \
             encrypted (`openssl pkey` decrypts one)"
        ))
    })?;
    let read = CertifiedKey::from_der(chain, key, provider);
    read.map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => UsageError(format!(
            "the private key in {path} is not that of the certificate in {}",
            files.certificate.display()
        ))
        .into(),
        error => UsageError(format!("the private key in {path} can't be used: {error}")).into(),
    })
}

/// Who looks at the certificates of clients.
fn verifier(
    clients: &ClientAuthorities,
    pem: &[u8],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>> {
    let unusable = |problem: &str| {
        let path = clients.file.display();
        UsageError(format!("the authorities of clients in {path} can't be used: {problem}"))
    };
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let mut roots = RootCertStore::empty();
    for authority in read.map_err(|error| unusable(&error.to_string()))? {
        roots.add(authority).map_err(|error| unusable(&error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unusable("there are none; they are to be certificates in PEM").into());
    }
    let provider = Arc::clone(provider);
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if clients.required { builder } else { builder.allow_unauthenticated() };
    Ok(builder.build().map_err(|error| unusable(&error.to_string()))?)
}

fn of_certificate(files: &TlsFiles, problem: &str) -> anyhow::Error {
    let path = files.certificate.display();
    UsageError(format!("the certificate in {path} can't be used: {problem}")).into()
}

fn date(seconds: u64) -> humantime::Rfc3339Timestamp {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds))
}
