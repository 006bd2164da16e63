//! A connection whose client has to take what it asked for: an answer that nobody
//! reads would stay in memory.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use dacapo_api::MemoryBudget;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// How often it is looked at whether a client takes its answer.
const LOOK: Duration = Duration::from_secs(1);

/// Looks without progress after which a client is cut off.
const PATIENCE: u32 = 30;

/// The same while others wait for memory.
const PATIENCE_SHORT: u32 = 2;

/// What a client has to take from one look to the next for it to be progress.
const PROGRESS_MIN: usize = 16 * 1024;

pub(super) struct Socket<S> {
    stream: S,
    memory: Arc<MemoryBudget>,
    /// While there is something that the client does not take.
    stalled: Option<Stalled>,
}

struct Stalled {
    look: Pin<Box<Sleep>>,
    /// Bytes taken since the last look.
    taken: usize,
    looks: u32,
}

impl<S> Socket<S> {
    pub(super) fn new(stream: S, memory: Arc<MemoryBudget>) -> Self {
        Self { stream, memory, stalled: None }
    }

    /// Watches over what became of a write.
    fn watch(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => {
                if let Some(stalled) = &mut self.stalled {
                    stalled.taken += bytes;
                }
                written
            }
            Poll::Ready(Err(_)) => written,
            Poll::Pending => self.wait(context),
        }
    }

    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let stalled = self.stalled.get_or_insert_with(|| Stalled {
            look: Box::pin(tokio::time::sleep(LOOK)),
            taken: 0,
            looks: 0,
        });
        while stalled.look.as_mut().poll(context).is_ready() {
            stalled.looks = if stalled.taken >= PROGRESS_MIN { 0 } else { stalled.looks + 1 };
            stalled.taken = 0;
            let patience = if self.memory.is_short() { PATIENCE_SHORT } else { PATIENCE };
            if stalled.looks >= patience {
                let reason = "the client does not take its answer";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, reason)));
            }
            stalled.look.set(tokio::time::sleep(LOOK));
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Comes when all has been written.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stalled = None;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const ANSWER: &[u8] = &[0; 256 * 1024];

    fn memory() -> Arc<MemoryBudget> {
        Arc::new(MemoryBudget::new(1024 * 1024))
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_cut_off() {
        let (client, server) = tokio::io::duplex(1024);
        let mut socket = Socket::new(server, memory());
        let error = socket.write_all(ANSWER).await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(client);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_a_little_now_and_then_is_cut_off() {
        let (mut client, server) = tokio::io::duplex(1024);
        let mut socket = Socket::new(server, memory());
        let trickle = async {
            let mut byte = [0; 1];
            loop {
                tokio::time::sleep(Duration::from_millis(900)).await;
                client.read_exact(&mut byte).await.expect("there is more");
            }
        };
        tokio::select! {
            written = socket.write_all(ANSWER) => {
                let error = written.expect_err("hardly anybody reads");
                assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            }
            () = trickle => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_that_gets_on_has_all_the_time_it_needs() {
        let (mut client, server) = tokio::io::duplex(1024);
        let mut socket = Socket::new(server, memory());
        let slow = async {
            let mut some = [0; 20 * 1024];
            for _ in 0..ANSWER.len() / some.len() {
                tokio::time::sleep(Duration::from_millis(900)).await;
                client.read_exact(&mut some).await.expect("there is more");
            }
            client.read_exact(&mut some[..ANSWER.len() % (20 * 1024)]).await.expect("the rest");
        };
        let (written, ()) = tokio::join!(socket.write_all(ANSWER), slow);
        written.expect("all of it was taken");
    }
}
