//! A network between the store and its server that stops to carry anything, without a
//! word to anybody.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes bytes on between its connections and the server, in both directions.
pub(crate) struct Proxy {
    address: SocketAddr,
    ways: Arc<watch::Sender<Ways>>,
}

/// Connections count from 0.
#[derive(Default)]
struct Ways {
    opened: u64,
    /// Those before carry nothing: what is sent waits.
    frozen_before: u64,
    /// What a client sends that freezes all that are open, and is not carried.
    freezes_at: Option<&'static [u8]>,
}

impl Proxy {
    /// One in front of the server of a URL.
    pub(crate) async fn start(url: &str) -> Self {
        let options = PgConnectOptions::from_str(url).expect("a PostgreSQL URL");
        let server = (options.get_host().to_owned(), options.get_port());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let ways = Arc::new(watch::Sender::new(Ways::default()));
        let opening = ways.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut number = 0;
                opening.send_modify(|ways| {
                    number = ways.opened;
                    ways.opened += 1;
                });
                let server = TcpStream::connect(&server).await.expect("the server answers");
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(carry(number, true, opening.clone(), from_client, to_server));
                tokio::spawn(carry(number, false, opening.clone(), from_server, to_client));
            }
        });
        Self { address, ways }
    }

    /// The URL of a database, through here.
    pub(crate) fn url(&self, url: &str) -> String {
        let options = PgConnectOptions::from_str(url).expect("a PostgreSQL URL");
        let (host, port) = (self.address.ip().to_string(), self.address.port());
        options.host(&host).port(port).to_url_lossy().to_string()
    }

    /// Connections that are open carry nothing any more. New ones do.
    pub(crate) fn freeze(&self) {
        self.ways.send_modify(|ways| ways.frozen_before = ways.opened);
    }

    /// Like [`Self::freeze`], as soon as a client sends this. It does not arrive.
    pub(crate) fn freeze_at(&self, bytes: &'static [u8]) {
        self.ways.send_modify(|ways| ways.freezes_at = Some(bytes));
    }

    /// What was sent meanwhile arrives.
    pub(crate) fn thaw(&self) {
        self.ways.send_modify(|ways| (ways.frozen_before, ways.freezes_at) = (0, None));
    }
}

async fn carry(
    number: u64,
    to_server: bool,
    ways: Arc<watch::Sender<Ways>>,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
) {
    let mut buffer = vec![0; 64 * 1024];
    let mut watched = ways.subscribe();
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        if to_server {
            ways.send_if_modified(|ways| {
                let is_hit = ways.freezes_at.is_some_and(|bytes| {
                    buffer[..read].windows(bytes.len()).any(|window| window == bytes)
                });
                if is_hit {
                    (ways.frozen_before, ways.freezes_at) = (ways.opened, None);
                }
                is_hit
            });
        }
        // An end is not told, either.
        let carries = watched.wait_for(|ways| number >= ways.frozen_before).await.is_ok();
        if !carries || read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
