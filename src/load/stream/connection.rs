//! One HTTP/1.1 connection, driven by the task that waits for its answer.
//!
//! hyper hands out a connection as two halves, which usually live in two tasks: every chunk
//! then costs a wake-up from one to the other. Here both are polled by whoever reads, so that
//! a chunk costs one poll. Nobody polls an idle connection; it is looked at when it is used
//! again.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::load::stream::patience::Patience;
use crate::load::stream::stamped::{StampedStream, Stamps};
use crate::load::stream::waker::Rouser;
use crate::measure::request::RequestFailure;

/// Uvicorn, which serves vLLM, closes a connection that was idle for five seconds. One that is
/// given up earlier than that cannot break under a request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a connection may take to become ready again after a whole response.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(1);

type Driver = http1::Connection<StampedStream, Full<Bytes>>;

/// What a request that came to nothing leaves.
pub type Unanswered = TrySendError<Request<Full<Bytes>>>;

/// One connection; one request at a time.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once the connection has ended.
    driver: Option<Driver>,
    stamps: Arc<Stamps>,
    rouser: Arc<Rouser>,
    /// The rouser's.
    waker: Waker,
    idle_since: Instant,
}

impl Connection {
    /// Speaks HTTP on a TCP connection.
    ///
    /// # Errors
    /// Those of hyper.
    pub async fn new(stream: TcpStream, origin: Instant) -> hyper::Result<Self> {
        let stream = StampedStream::new(stream, origin);
        let stamps = stream.stamps();
        let (sender, driver) = http1::handshake(stream).await?;
        let rouser = Rouser::new();
        Ok(Self {
            sender,
            driver: Some(driver),
            stamps,
            waker: Waker::from(Arc::clone(&rouser)),
            rouser,
            idle_since: Instant::now(),
        })
    }

    /// When bytes of the present request went and came.
    pub fn stamps(&self) -> &Stamps {
        &self.stamps
    }

    /// Sends a request and waits for the head of its response.
    ///
    /// # Errors
    /// The outer one when there is no more patience; the inner one when the connection broke,
    /// with the request if nothing of it was written.
    pub async fn request(
        &mut self,
        request: Request<Full<Bytes>>,
        patience: &mut Patience,
    ) -> Result<Result<Response<Incoming>, Unanswered>, RequestFailure> {
        self.stamps.begin();
        let mut response = pin!(self.sender.try_send_request(request));
        self.drive(patience, |cx| response.as_mut().poll(cx)).await
    }

    /// Waits for the next part of a body; `None` at its end.
    ///
    /// # Errors
    /// The outer one when there is no more patience, the inner one when the connection broke.
    pub async fn frame(
        &mut self,
        body: &mut Incoming,
        patience: &mut Patience,
    ) -> Result<Option<hyper::Result<Frame<Bytes>>>, RequestFailure> {
        self.drive(patience, |cx| Pin::new(&mut *body).poll_frame(cx))
            .await
    }

    /// True when another request may follow; called after the end of a response.
    pub async fn settles(&mut self) -> bool {
        if !self.sender.is_ready() {
            let ready = poll_fn(|cx| {
                poll_driver(&mut self.driver, cx);
                self.sender.poll_ready(cx)
            });
            if !matches!(timeout(SETTLE_TIMEOUT, ready).await, Ok(Ok(()))) {
                return false;
            }
        }
        self.idle_since = Instant::now();
        true
    }

    /// True when an idle connection may be used again: not too old, and not closed by the
    /// server in the meantime.
    pub async fn is_alive(&mut self) -> bool {
        if self.idle_since.elapsed() >= IDLE_TIMEOUT {
            return false;
        }
        poll_fn(|cx| {
            poll_driver(&mut self.driver, cx);
            Poll::Ready(())
        })
        .await;
        self.driver.is_some() && self.sender.is_ready()
    }

    /// Polls the connection, then what waits for it, until either that or the patience ends.
    async fn drive<T>(
        &mut self,
        patience: &mut Patience,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Result<T, RequestFailure> {
        let Self {
            driver,
            rouser,
            waker,
            ..
        } = self;
        poll_fn(|cx| {
            let polled = rouser.poll(cx, waker, |cx| {
                poll_driver(driver, cx);
                if let Poll::Ready(output) = poll(cx) {
                    return Poll::Ready(Ok(output));
                }
                if driver.is_none() {
                    // hyper tells whoever waits before it ends; this keeps a task from waiting
                    // for a connection that is gone.
                    let detail = "the connection ended".to_owned();
                    return Poll::Ready(Err(RequestFailure::Cut { detail }));
                }
                Poll::Pending
            });
            match polled {
                Poll::Ready(output) => Poll::Ready(output),
                Poll::Pending => patience.poll_end(cx).map(Err),
            }
        })
        .await
    }
}

fn poll_driver(slot: &mut Option<Driver>, cx: &mut Context<'_>) {
    if let Some(driver) = slot
        && Pin::new(driver).poll(cx).is_ready()
    {
        // How it ended was told to whoever waited for an answer.
        *slot = None;
    }
}
