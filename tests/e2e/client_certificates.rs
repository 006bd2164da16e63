//! Clients that are known by their certificates.

use dacapo_tests::{
    Authority, Client, Database, Issued, Kind, Server, Settings, TlsFolder, dacapo_with_input,
    within,
};
use rcgen::SanType;
use reqwest::{Certificate, ClientBuilder, Identity, Method};
use serde_json::json;

const RULES: &str = "
[[access.certificates]]
common_name = \"operations\"
roles = [\"admin\"]

[[access.certificates]]
dns = \"*.workers.internal\"
roles = [\"worker@default\"]

[[access.certificates]]
uri = \"spiffe://test/sa/*\"
roles = [\"reader\"]
";

/// A server that asks for keys, or for certificates of an authority.
struct Secured {
    server: Server,
    /// Of the server.
    authority: Authority,
    /// Of the clients.
    clients: Authority,
    folder: TlsFolder,
    _database: Database,
}

impl Secured {
    async fn start(when: &str) -> Self {
        let database = Database::fresh(Kind::Sqlite).await;
        let (authority, clients) = (Authority::new(), Authority::new());
        let folder = TlsFolder::new(&authority, &authority.server());
        folder.write("clients.pem", &clients.pem());
        let settings = Settings::new(&database).tls(&folder).file(RULES);
        let server = settings
            .environment("DACAPO_TLS_CLIENT_CA", &folder.path("clients.pem"))
            .environment("DACAPO_TLS_CLIENT_AUTH", when)
            .environment("DACAPO_AUTHENTICATION", "required")
            .start()
            .await;
        Self { server, authority, clients, folder, _database: database }
    }

    fn client(&self, certificate: Option<&Issued>) -> Client {
        Client::over_tls(self.server.address(), self.builder(certificate))
    }

    fn builder(&self, certificate: Option<&Issued>) -> ClientBuilder {
        let authority = Certificate::from_pem(self.authority.pem().as_bytes()).expect("in PEM");
        let http = reqwest::Client::builder().tls_certs_only([authority]);
        let Some(Issued { certificate, key }) = certificate else { return http };
        let pem = format!("{certificate}\n{key}");
        http.identity(Identity::from_pem(pem.as_bytes()).expect("in PEM"))
    }
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().expect("a name"))
}

fn uri(name: &str) -> SanType {
    SanType::URI(name.try_into().expect("a URI"))
}

#[tokio::test]
async fn a_name_of_a_certificate_is_given_its_roles_and_no_others() {
    within("the test", async {
        let secured = Secured::start("optional").await;
        let admin = secured.client(Some(&secured.clients.client("operations", [])));
        admin.upload_guests(&["steps"]).await;
        admin.get("runs").await.ok(200);

        let worker = secured.clients.client("anything", [dns("A.workers.internal")]);
        let worker = secured.client(Some(&worker));
        worker.get("runs").await.error(403, "permission_denied");
        let poll = json!({"identity": "w", "wait_seconds": 0, "lease_seconds": 30});
        worker.post("task-queues/q/poll", &poll).await.ok(200);

        let reader = secured.clients.client("anything", [uri("spiffe://test/sa/exports")]);
        let reader = secured.client(Some(&reader));
        reader.get("runs").await.ok(200);
        reader.post("runs", &json!({"workflow": "echo"})).await.error(403, "permission_denied");

        // Who changed what is known by the name.
        let log = admin.get("/api/v1/audit").await.ok(200);
        let uploads: Vec<_> = log["entries"]
            .as_array()
            .expect("entries")
            .iter()
            .filter(|entry| entry["action"] == "upload_module")
            .collect();
        assert_eq!(uploads[0]["principal"], "certificate:common_name=operations", "{log}");
    })
    .await;
}

#[tokio::test]
async fn a_certificate_without_roles_needs_a_key_and_a_key_goes_before_a_certificate() {
    within("the test", async {
        let secured = Secured::start("optional").await;
        let admin = secured.client(Some(&secured.clients.client("operations", [])));
        let grants = json!([{"role": "reader"}]);
        let made = admin.post("/api/v1/api-keys", &json!({"name": "k", "grants": grants})).await;
        let key = made.ok(201)["key"].as_str().expect("a key").to_owned();

        let nobody = secured.clients.client("nobody", [dns("a.b.workers.internal")]);
        for client in [secured.client(Some(&nobody)), secured.client(None)] {
            client.get("runs").await.error(401, "unauthenticated");
            let with_key = client.request(Method::GET, "runs").bearer_auth(&key);
            client.send(with_key).await.ok(200);
        }
        let start = admin.request(Method::POST, "runs").json(&json!({"workflow": "echo"}));
        admin.send(start.bearer_auth(&key)).await.error(403, "permission_denied");
        let wrong = admin.request(Method::GET, "runs").bearer_auth("dcp_0");
        admin.send(wrong).await.error(401, "unauthenticated");
    })
    .await;
}

#[tokio::test]
async fn a_certificate_of_somebody_else_does_not_connect() {
    within("the test", async {
        let secured = Secured::start("optional").await;
        let stranger = Authority::new().client("operations", []);
        // Not of the server's own authority either.
        let cousin = secured.authority.client("operations", []);
        for certificate in [stranger, cousin] {
            let client = secured.client(Some(&certificate));
            let request = client.request(Method::GET, "runs");
            assert!(client.try_send(request).await.is_err());
        }
        secured.server.logs("a TLS handshake failed").await;
        secured.server.logs("the client's certificate").await;
    })
    .await;
}

#[tokio::test]
async fn without_a_certificate_nobody_connects_where_one_is_required() {
    within("the test", async {
        let secured = Secured::start("required").await;
        let none = secured.client(None);
        let request = none.request(Method::GET, "/health/live");
        assert!(none.try_send(request).await.is_err());
        let some = secured.client(Some(&secured.clients.client("nobody", [])));
        some.get("/health/live").await.ok(200);

        let admin = secured.clients.client("operations", []);
        secured.folder.write("me.pem", &admin.certificate);
        secured.folder.write("me.key", &admin.key);
        let [ca, me, key] = ["ca.pem", "me.pem", "me.key"].map(|name| secured.folder.path(name));
        let url = secured.server.url();
        let mut listed = vec!["key", "list", "-o", "json", "--ca-cert", &ca];
        listed.extend(["--client-cert", &me, "--client-key", &key]);
        dacapo_with_input(&url, &listed, "").await.exit(0);
        let refused = dacapo_with_input(&url, &["status", "--ca-cert", &ca], "").await;
        assert_ne!(refused.code, Some(0), "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn new_authorities_of_clients_are_taken_without_a_restart() {
    within("the test", async {
        let secured = Secured::start("optional").await;
        let others = Authority::new();
        let certificate = others.client("operations", []);
        secured.folder.write("clients.pem", &others.pem());
        secured.server.hang_up();
        secured.server.logs("the new TLS certificate is in use").await;
        secured.client(Some(&certificate)).get("runs").await.ok(200);
        let former = secured.client(Some(&secured.clients.client("operations", [])));
        let request = former.request(Method::GET, "runs");
        assert!(former.try_send(request).await.is_err());
    })
    .await;
}
