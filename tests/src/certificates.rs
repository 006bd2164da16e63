//! Certificates, made for one test.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::{DateTime, Datelike as _, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, SanType, date_time_ymd,
};
use tempfile::TempDir;

/// Whoever issues certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its private key, in PEM.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl Authority {
    /// A new one, that nobody trusts yet.
    pub fn new() -> Self {
        // By its name clients and servers find who a certificate is of.
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let mut params = params(&[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = format!("authority {}", NEXT.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, new_key()).expect("an authority"))
    }

    /// Its own certificate, in PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for servers of this machine.
    pub fn server(&self) -> Issued {
        self.issue(server())
    }

    /// One that is valid until the beginning of a day.
    pub fn server_until(&self, end: DateTime<Utc>) -> Issued {
        let mut params = server();
        let month = u8::try_from(end.month()).expect("a month");
        params.not_after =
            date_time_ymd(end.year(), month, u8::try_from(end.day()).expect("a day"));
        self.issue(params)
    }

    /// A certificate for a client with this common name and these other names.
    pub fn client(&self, common_name: &str, names: impl IntoIterator<Item = SanType>) -> Issued {
        let mut params = params(&[]);
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.subject_alt_names.extend(names);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params)
    }

    fn issue(&self, params: CertificateParams) -> Issued {
        let key = new_key();
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Issued { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

fn server() -> CertificateParams {
    let mut params = params(&["127.0.0.1", "localhost"]);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).expect("names")
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

/// A folder with the files of a server.
pub struct TlsFolder(TempDir);

impl TlsFolder {
    /// With this certificate, and whom it is of.
    pub fn new(authority: &Authority, server: &Issued) -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        folder.write("ca.pem", &authority.pem());
        folder.put(server);
        folder
    }

    /// Puts another certificate in the place of the former one.
    pub fn put(&self, server: &Issued) {
        self.write("server.pem", &server.certificate);
        self.write("server.key", &server.key);
    }

    /// Writes a file, which no other user may read.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.0.path().join(name);
        std::fs::write(&path, text).expect("it can be written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("its mode");
        path
    }

    /// Where a file is.
    pub fn path(&self, name: &str) -> String {
        Path::join(self.0.path(), name).display().to_string()
    }
}
