//! What both kinds of guests have in common when they call the host: wasmtime asks for a
//! future at each change of sides. Most have nothing to do, and take no memory.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What is to be done at a change of sides, as `CallHookHandler` wants it. Written out,
/// since what `async_trait` makes of it takes memory each time.
pub(crate) type Done<'a> = Pin<Box<dyn Future<Output = wasmtime::Result<()>> + Send + 'a>>;

/// Nothing is to be done. Of no size, so there is nothing to allocate.
pub(crate) fn nothing<'a>() -> Done<'a> {
    Box::pin(Nothing)
}

struct Nothing;

impl Future for Nothing {
    type Output = wasmtime::Result<()>;

    fn poll(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(()))
    }
}
