//! A connection whose other end must take what is written to it, and not drop by drop.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

/// How fast the other end must be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Bytes that must be taken, or come, in each span; all of them, if there are fewer.
    pub(super) least: usize,
    /// The span.
    pub(super) span: Duration,
}

/// Fails a write when less than the pace was taken of what waits to be written.
#[derive(Debug)]
pub(super) struct Paced<S> {
    stream: S,
    pace: Pace,
    /// Since when something waits, and how much was taken since.
    blocked: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S> Paced<S> {
    /// Lets `stream` be written at no less than `pace`.
    pub(super) fn new(stream: S, pace: Pace) -> Self {
        Self {
            stream,
            pace,
            blocked: None,
        }
    }

    fn wait<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let Pace { least, span } = self.pace;
        let (timer, taken) = self
            .blocked
            .get_or_insert_with(|| (Box::pin(tokio::time::sleep(span)), 0));
        while timer.as_mut().poll(context).is_ready() {
            if *taken < least {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            timer.as_mut().reset(Instant::now() + span);
            *taken = 0;
        }
        Poll::Pending
    }

    fn settle(
        &mut self,
        written: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => self.wait(context),
            Poll::Ready(Ok(bytes)) => {
                if let Some((_, taken)) = &mut self.blocked {
                    *taken = taken.saturating_add(bytes);
                }
                Poll::Ready(Ok(bytes))
            }
            other => other,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.settle(written, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, bytes);
        this.settle(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_flush(context) {
            Poll::Pending => this.wait(context),
            flushed => {
                this.blocked = None; // nothing waits any more
                flushed
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    const PACE: Pace = Pace {
        least: 1000,
        span: Duration::from_millis(100),
    };

    /// Writes 64 KiB to a reader that takes `piece` bytes every 10 ms.
    async fn written(piece: usize) -> io::Result<()> {
        let (near, mut far) = tokio::io::duplex(4096);
        let mut near = Paced::new(near, PACE);
        let reader = tokio::spawn(async move {
            let mut buffer = vec![0; piece];
            while piece > 0 && far.read(&mut buffer).await.unwrap() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            std::future::pending::<()>().await;
        });
        let result = async {
            near.write_all(&[7; 64 << 10]).await?;
            near.flush().await
        };
        let result = tokio::time::timeout(Duration::from_secs(20), result)
            .await
            .unwrap();
        reader.abort();
        result
    }

    #[tokio::test]
    async fn a_reader_must_keep_the_pace() {
        for slow in [0, 1, 50] {
            let error = written(slow).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{slow}");
        }
        written(4096).await.unwrap();
    }
}
