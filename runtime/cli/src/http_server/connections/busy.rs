//! The API, which says when a request is under way.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::Response;
use dacapo_api::ClientAddress;
use hyper::Request;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use super::{Connection, Connections};

/// The API, which says when a request is under way.
pub(crate) struct Busy {
    router: TowerToHyperService<Router>,
    connections: Arc<Connections>,
    id: u64,
    /// Said to each request, if it is to be.
    client: Option<IpAddr>,
}

impl Busy {
    pub(crate) fn new(router: Router, client: Option<IpAddr>, connection: &Connection) -> Self {
        let router = TowerToHyperService::new(router);
        Self { router, connections: connection.connections.clone(), id: connection.id, client }
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
        let answer = self.router.call(request);
        Box::pin(async move {
            let response = answer.await?;
            Ok(response.map(|body| Body::new(InAnswer { body, _under_way: under_way })))
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
