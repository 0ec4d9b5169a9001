//! A connection that notes when bytes really came and went.
//!
//! The instants are taken around the system calls, before HTTP or anything else is parsed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// No instant yet.
const NEVER: u64 = u64::MAX;

/// When bytes last came, and when the first went out. One task at a time uses it; the atomics
/// let it move between tasks with its connection.
#[derive(Debug)]
pub struct Stamps {
    origin: Instant,
    read: AtomicU64,
    written: AtomicU64,
}

impl Stamps {
    fn new(origin: Instant) -> Self {
        Self {
            origin,
            read: AtomicU64::new(NEVER),
            written: AtomicU64::new(NEVER),
        }
    }

    /// A new request begins.
    pub fn begin(&self) {
        self.read.store(NEVER, Ordering::Relaxed);
        self.written.store(NEVER, Ordering::Relaxed);
    }

    /// When the last bytes of this request's response came, in nanoseconds since the origin.
    pub fn last_read(&self) -> Option<u64> {
        known(&self.read)
    }

    /// When the request began to be written.
    pub fn first_written(&self) -> Option<u64> {
        known(&self.written)
    }
}

fn known(stamp: &AtomicU64) -> Option<u64> {
    let nanos = stamp.load(Ordering::Relaxed);
    (nanos != NEVER).then_some(nanos)
}

/// Nanoseconds from the origin until now.
pub fn nanos_since(origin: Instant) -> u64 {
    nanos_between(origin, Instant::now())
}

/// Nanoseconds from the origin to an instant; none before it.
pub fn nanos_between(origin: Instant, at: Instant) -> u64 {
    let nanos = at.saturating_duration_since(origin).as_nanos();
    u64::try_from(nanos).expect("an attempt is shorter than 584 years")
}

/// A TCP connection with its stamps.
#[derive(Debug)]
pub struct StampedStream {
    stream: TokioIo<TcpStream>,
    stamps: Arc<Stamps>,
}

impl StampedStream {
    pub fn new(stream: TcpStream, origin: Instant) -> Self {
        Self {
            stream: TokioIo::new(stream),
            stamps: Arc::new(Stamps::new(origin)),
        }
    }

    pub fn stamps(&self) -> Arc<Stamps> {
        Arc::clone(&self.stamps)
    }

    fn stamp_write(&self) {
        if self.stamps.written.load(Ordering::Relaxed) == NEVER {
            let now = nanos_since(self.stamps.origin);
            self.stamps.written.store(now, Ordering::Relaxed);
        }
    }
}

impl Read for StampedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if polled.is_ready() {
            let now = nanos_since(self.stamps.origin);
            self.stamps.read.store(now, Ordering::Relaxed);
        }
        polled
    }
}

impl Write for StampedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stamp_write();
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stamp_write();
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
