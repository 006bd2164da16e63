//! The API, which says when a request is under way.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::Response;
use dacapo_api::{ClientAddress, SharedConnection};
use hyper::Request;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use super::{Connection, Connections};
use crate::http_server::pieces::{InPieces, Untaken};
use crate::http_server::tls::Certified;

/// The API, which says when a request is under way.
pub(crate) struct Busy {
    router: TowerToHyperService<Router>,
    connections: Arc<Connections>,
    id: u64,
    /// Said to each request, if it is to be.
    client: Option<IpAddr>,
    /// Who it is by its certificate.
    certified: Option<Certified>,
    /// Where there may be several requests at a time.
    untaken: Option<Arc<Untaken>>,
}

impl Busy {
    pub(crate) fn new(router: Router, client: Option<IpAddr>, connection: &Connection) -> Self {
        let router = TowerToHyperService::new(router);
        let connections = Arc::clone(&connection.connections);
        Self { router, connections, id: connection.id, client, certified: None, untaken: None }
    }

    /// The same for a client that is known by its certificate.
    pub(crate) fn certified(self, certified: Option<Certified>) -> Self {
        Self { certified, ..self }
    }

    /// The same for a connection with several requests at a time.
    pub(crate) fn shared(self, untaken: Arc<Untaken>) -> Self {
        Self { untaken: Some(untaken), ..self }
    }
}

impl Service<Request<Incoming>> for Busy {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let under_way = UnderWay::begin(&self.connections, self.id);
        if let Some(client) = self.client {
            request.extensions_mut().insert(ClientAddress(client));
        }
        if let Some(certificate) = self.certified.as_ref().and_then(Certified::now) {
            request.extensions_mut().insert(certificate);
        }
        if self.untaken.is_some() {
            request.extensions_mut().insert(SharedConnection);
        }
        let untaken = self.untaken.clone();
        let answer = self.router.call(request);
        Box::pin(async move {
            let response = answer.await?;
            Ok(response.map(|body| match untaken {
                Some(untaken) => Body::new(InPieces::new(body, untaken, Arc::new(under_way))),
                None => Body::new(InAnswer { body, _under_way: under_way }),
            }))
        })
    }
}

/// A request from its head to the last byte of its answer.
pub(super) struct UnderWay {
    connections: Arc<Connections>,
    id: u64,
}

impl UnderWay {
    pub(super) fn begin(connections: &Arc<Connections>, id: u64) -> Self {
        connections.begin_request(id);
        Self { connections: connections.clone(), id }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.connections.end_request(self.id);
    }
}

/// An answer that is being sent.
struct InAnswer {
    body: Body,
    _under_way: UnderWay,
}

impl hyper::body::Body for InAnswer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
