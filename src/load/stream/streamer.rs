//! Sends chat completions to one server from as many tasks as want to, over connections that
//! are kept alive.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use hyper::Response;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use crate::load::client::{CONNECT_TIMEOUT, DRAIN_TIMEOUT, KEPT_TEXT_BYTES, hide_key, shortened};
use crate::load::stream::connection::Connection;
use crate::load::stream::endpoint::{Endpoint, EndpointError};
use crate::load::stream::exchange::Exchange;
use crate::load::stream::limits::RequestLimits;
use crate::load::stream::loop_watch::LoopWatch;
use crate::load::stream::patience::Patience;
use crate::load::stream::reader::{BodyReader, Said, StreamReader};
use crate::load::stream::request::ChatRequest;
use crate::load::stream::stamped::{nanos_between, nanos_since};
use crate::load::stream::whole::WholeReader;
use crate::measure::activity::{Activity, InFlight};
use crate::measure::client::ClientHealth;
use crate::measure::histogram::Histogram;
use crate::measure::request::{Instants, RequestFailure};
use crate::runner::ports::{ReadyServer, Target};

/// The streaming client of one server. Clones share connections and counts; each may be moved
/// into a task of its own.
#[derive(Debug, Clone)]
pub struct Streamer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    endpoint: Endpoint,
    api_key: String,
    limits: RequestLimits,
    origin: Instant,
    activity: Arc<Activity>,
    /// Where the host's name led, so that it is looked up once.
    address: OnceLock<SocketAddr>,
    /// Connections between two requests, the one used last at the end.
    idle: Mutex<Vec<Connection>>,
    watched: Mutex<Watched>,
}

/// What the client needs to know of its requests to judge itself, in milliseconds of this
/// machine's clock.
#[derive(Debug, Default)]
struct Watched {
    /// Due to sent, of every request that was written.
    delay: Histogram,
    /// Due to first token, of those that succeeded.
    ttft: Histogram,
}

impl Streamer {
    /// A client whose instants count from `origin`, and which tells `activity` what is in
    /// flight.
    ///
    /// # Errors
    /// When the target cannot be streamed from.
    pub fn new(
        target: &Target,
        limits: RequestLimits,
        origin: Instant,
        activity: Arc<Activity>,
    ) -> Result<Self, EndpointError> {
        Ok(Self {
            shared: Arc::new(Shared {
                endpoint: Endpoint::of(target)?,
                api_key: target.api_key.clone(),
                limits,
                origin,
                activity,
                address: OnceLock::new(),
                idle: Mutex::default(),
                watched: Mutex::default(),
            }),
        })
    }

    /// The client of a ready engine, in its time.
    ///
    /// # Errors
    /// When the engine cannot be streamed from.
    pub fn for_server(server: &ReadyServer, limits: RequestLimits) -> Result<Self, EndpointError> {
        let activity = Arc::clone(server.activity());
        let limits = limits.at(server.scale());
        Self::new(server.target(), limits, server.origin(), activity)
    }

    /// Where its instants count from.
    pub fn origin(&self) -> Instant {
        self.shared.origin
    }

    /// Opens connections ahead, so that none is opened when requests are due; how many there
    /// are then. What fails here shows again in the requests.
    pub async fn connect_ahead(&self, n: usize) -> usize {
        for _ in 0..n {
            let deadline = Instant::now() + CONNECT_TIMEOUT;
            match self.shared.connect(deadline).await {
                Ok(connection) => self.shared.idle().push(connection),
                Err(_) => break,
            }
        }
        self.shared.idle().len()
    }

    /// Sends one streamed chat completion and reads it to its end. Instants are taken when
    /// bytes arrive, before they are parsed; events that arrive in one piece share theirs.
    ///
    /// Dropping the future closes the connection, which is how a server learns that nobody
    /// wants the answer any more.
    pub async fn send(&self, request: &ChatRequest) -> Exchange {
        let due = self.due(request);
        let mut reader = StreamReader::new(due, request.keep);
        let (written, result) = self.shared.exchange(request, &mut reader).await;
        self.finish(due, written, result, reader.finish())
    }

    /// Sends one chat completion that is not streamed. Its instants know no tokens.
    pub async fn send_whole(&self, request: &ChatRequest) -> Exchange {
        let due = self.due(request);
        let mut reader = WholeReader::new(due, request.keep);
        let (written, result) = self.shared.exchange(request, &mut reader).await;
        self.finish(due, written, result, reader.finish())
    }

    /// How this client did so far; `None` while nothing was sent or the loop was not looked at.
    pub fn health(&self, watch: &LoopWatch) -> Option<ClientHealth> {
        Some(ClientHealth {
            schedule_delay_ms: self.shared.watched().delay.summary()?,
            loop_lag_ms: watch.summary()?,
        })
    }

    /// The median time to first token so far, in milliseconds of this machine's clock: what the
    /// client's lateness is to be compared with.
    pub fn ttft_p50_ms(&self) -> Option<f64> {
        let ttft = self.shared.watched().ttft.summary()?;
        Some(ttft.p50)
    }

    fn due(&self, request: &ChatRequest) -> u64 {
        let origin = self.shared.origin;
        request
            .due
            .map_or_else(|| nanos_since(origin), |due| nanos_between(origin, due))
    }

    fn finish(
        &self,
        due: u64,
        written: Option<u64>,
        result: Result<(), RequestFailure>,
        (mut instants, said): (Instants, Said),
    ) -> Exchange {
        if let Some(written) = written {
            instants.sent = written;
            let mut watched = self.shared.watched();
            let since_due = |at: u64| at.saturating_sub(due) as f64 / 1e6;
            watched.delay.record(since_due(written));
            if let (Ok(()), Some(first)) = (&result, instants.first_token) {
                watched.ttft.record(since_due(first));
            }
        }
        if instants.end == due {
            instants.end = nanos_since(self.shared.origin);
        }
        Exchange {
            instants,
            usage: said.usage,
            finish_reason: said.finish_reason,
            failure: result
                .err()
                .map(|failure| without_key(failure, &self.shared.api_key)),
            answer: said.answer,
        }
    }
}

/// How a response ended that was read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Another request may follow on its connection.
    Whole,
    /// All that counts was there, and the connection was not left as the next one needs it.
    Loose,
}

impl Shared {
    /// One exchange: when it was written, if it was, and why it failed, if it did.
    async fn exchange(
        &self,
        request: &ChatRequest,
        reader: &mut impl BodyReader,
    ) -> (Option<u64>, Result<(), RequestFailure>) {
        let mut patience = Patience::new(self.limits);
        let mut in_flight = self.activity.sent();
        let mut connection = None;
        let result = match self.request(&mut connection, request, &mut patience).await {
            Ok(response) => {
                let connection = connection.as_mut().expect("a response has a connection");
                let patience = &mut patience;
                self.read(connection, response, reader, patience, &mut in_flight)
                    .await
            }
            Err(failure) => Err(failure),
        };
        drop(in_flight);
        let written = connection
            .as_ref()
            .and_then(|connection| connection.stamps().first_written());
        if let (Ok(Ending::Whole), Some(mut connection)) = (&result, connection)
            && connection.settles().await
        {
            self.idle().push(connection);
        }
        (written, result.map(drop))
    }

    /// Sends the request over an idle connection or a new one, which is in `slot` then, and
    /// waits for the head of the response.
    async fn request(
        &self,
        slot: &mut Option<Connection>,
        request: &ChatRequest,
        patience: &mut Patience,
    ) -> Result<Response<Incoming>, RequestFailure> {
        let mut message = self.endpoint.request(request.body.clone());
        while let Some(idle) = self.next_idle().await {
            let connection = slot.insert(idle);
            match connection.request(message, patience).await? {
                Ok(response) => return Ok(response),
                // The server closed it in this moment: nothing was written, so that this is no
                // second try.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => message = unsent,
                    None => return Err(no_response(&error.into_error())),
                },
            }
        }
        // A new one may only come into being, and be counted, after the broken one is gone.
        *slot = None;
        let connection = slot.insert(self.connect(patience.deadline()).await?);
        let answered = connection.request(message, patience).await?;
        answered.map_err(|error| no_response(&error.into_error()))
    }

    /// Reads a response to its end.
    async fn read(
        &self,
        connection: &mut Connection,
        response: Response<Incoming>,
        reader: &mut impl BodyReader,
        patience: &mut Patience,
        in_flight: &mut InFlight<'_>,
    ) -> Result<Ending, RequestFailure> {
        let (head, mut body) = response.into_parts();
        if !head.status.is_success() {
            let status = head.status.as_u16();
            let body = read_some(connection, &mut body, patience).await;
            return Err(RequestFailure::Status { status, body });
        }
        let (media_type, called) = reader.media_type();
        if let Some(kind) = head.headers.get(CONTENT_TYPE)
            && !kind.as_bytes().starts_with(media_type.as_bytes())
        {
            let kind = String::from_utf8_lossy(kind.as_bytes()).into_owned();
            let body = read_some(connection, &mut body, patience).await;
            let detail = format!("content type `{kind}` instead of {called}: {body}");
            return Err(RequestFailure::Garbled { detail });
        }
        while !reader.is_done() {
            let frame = match connection.frame(&mut body, patience).await? {
                None => return reader.end().map(|()| Ending::Whole),
                Some(frame) => frame.map_err(|error| RequestFailure::Cut {
                    detail: chain(&error),
                })?,
            };
            let Some(bytes) = frame.data_ref().filter(|bytes| !bytes.is_empty()) else {
                continue;
            };
            let at = connection.stamps().last_read();
            let at = at.unwrap_or_else(|| nanos_since(self.origin));
            patience.arrived(self.origin + Duration::from_nanos(at));
            reader.take(bytes, at)?;
            if reader.has_token() {
                in_flight.has_begun();
            }
        }
        reader.end()?;
        // Reading to the end lets the connection be used again; how it ends is of no interest
        // any more.
        let drained = timeout(DRAIN_TIMEOUT, async {
            loop {
                match connection.frame(&mut body, patience).await {
                    Ok(Some(Ok(_))) => {}
                    end => break matches!(end, Ok(None)),
                }
            }
        });
        match drained.await {
            Ok(true) => Ok(Ending::Whole),
            Ok(false) | Err(_) => Ok(Ending::Loose),
        }
    }

    /// The idle connection that was used last and still lives.
    async fn next_idle(&self) -> Option<Connection> {
        loop {
            let mut connection = self.idle().pop()?;
            if connection.is_alive().await {
                return Some(connection);
            }
        }
    }

    async fn connect(&self, deadline: Instant) -> Result<Connection, RequestFailure> {
        let failed = |detail: String| RequestFailure::Connect { detail };
        let opened = async {
            let stream = match self.address.get() {
                Some(address) => TcpStream::connect(address).await?,
                None => TcpStream::connect(self.endpoint.address()).await?,
            };
            stream.set_nodelay(true)?;
            let address = stream.peer_addr()?;
            Ok::<_, std::io::Error>((stream, address))
        };
        let deadline = deadline.min(Instant::now() + CONNECT_TIMEOUT);
        let (stream, address) = match timeout_at(deadline, opened).await {
            Ok(opened) => opened.map_err(|error| failed(error.to_string()))?,
            Err(_) => return Err(failed("nobody takes the connection".to_owned())),
        };
        let _ = self.address.set(address);
        Connection::new(stream, self.origin)
            .await
            .map_err(|error| failed(chain(&error)))
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        // A panic elsewhere leaves the list whole: nothing is half done under the lock.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        // As above: a record that is missing falsifies none of the others.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The beginning of a body, as far as it comes without delay.
async fn read_some(
    connection: &mut Connection,
    body: &mut Incoming,
    patience: &mut Patience,
) -> String {
    let deadline = Instant::now() + DRAIN_TIMEOUT;
    let mut kept = Vec::new();
    while kept.len() <= KEPT_TEXT_BYTES
        && let Ok(Ok(Some(Ok(frame)))) =
            timeout_at(deadline, connection.frame(body, patience)).await
    {
        if let Some(bytes) = frame.data_ref() {
            kept.extend_from_slice(bytes);
        }
    }
    shortened(&String::from_utf8_lossy(&kept))
}

/// The connection broke before the response began.
fn no_response(error: &hyper::Error) -> RequestFailure {
    RequestFailure::Connect {
        detail: chain(error),
    }
}

/// An error with its causes.
fn chain(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

fn without_key(failure: RequestFailure, api_key: &str) -> RequestFailure {
    let hide = |text: String| hide_key(&text, api_key);
    match failure {
        RequestFailure::Connect { detail } => RequestFailure::Connect {
            detail: hide(detail),
        },
        RequestFailure::Status { status, body } => RequestFailure::Status {
            status,
            body: hide(body),
        },
        RequestFailure::ErrorEvent { message } => RequestFailure::ErrorEvent {
            message: hide(message),
        },
        RequestFailure::Cut { detail } => RequestFailure::Cut {
            detail: hide(detail),
        },
        RequestFailure::Stalled { after_ms } => RequestFailure::Stalled { after_ms },
        RequestFailure::Garbled { detail } => RequestFailure::Garbled {
            detail: hide(detail),
        },
        RequestFailure::Unexpected { detail } => RequestFailure::Unexpected {
            detail: hide(detail),
        },
    }
}
