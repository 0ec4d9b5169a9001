//! What is done to the bytes of an answer on their way: they break off, stall, are no JSON or no
//! text, come in odd pieces, or end with the engine.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::response::Response;
use futures_util::{StreamExt, stream};

use crate::spec::scenario::Garbling;
use crate::stand_in::engine::time::Time;
use crate::stand_in::scenario::life::{End, Life};

/// The last two events of a stream whose engine has died: its status was 200 long before.
const DEAD: &str = "data: {\"error\": {\"message\": \"EngineCore encountered an issue. See stack trace (above) for the root cause.\", \"type\": \"InternalServerError\", \"param\": null, \"code\": 500}}\n\ndata: [DONE]\n\n";

/// Between two pieces that are to be sent one by one.
const BETWEEN_PIECES: Duration = Duration::from_millis(1);

/// What is done to one stream. Tokens are counted by the pieces that the server writes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Twists {
    /// The connection is closed after so many tokens.
    pub cut_after: Option<u32>,
    pub garbling: Option<Garbling>,
    /// After so many tokens nothing comes for so long.
    pub stall: Option<(u32, Duration)>,
    /// After so many tokens the engine ends.
    pub end: Option<(u32, End)>,
}

/// A step of what is sent.
enum Piece {
    Bytes(Bytes),
    Pause(Duration),
    /// A moment of this machine's, so that what follows is sent apart.
    Apart,
    /// The connection breaks.
    Break,
    /// The engine ends.
    End(End),
}

/// Sends the body of a response as the twists want it, until the engine ends.
pub fn twisted(response: Response, twists: Twists, time: Time, life: Arc<Life>) -> Response {
    let (head, body) = response.into_parts();
    let twister = Twister {
        body: body.into_data_stream(),
        twists,
        time,
        life,
        n_tokens: 0,
        queue: VecDeque::new(),
        is_over: false,
    };
    let body = stream::unfold(twister, async |mut twister| {
        let next = twister.next().await?;
        Some((next, twister))
    });
    Response::from_parts(head, Body::from_stream(body))
}

struct Twister {
    body: BodyDataStream,
    twists: Twists,
    time: Time,
    life: Arc<Life>,
    n_tokens: u32,
    queue: VecDeque<Piece>,
    /// Nothing more is read of the body.
    is_over: bool,
}

impl Twister {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            match self.queue.pop_front() {
                Some(Piece::Bytes(bytes)) => return Some(Ok(bytes)),
                Some(Piece::Break) => {
                    self.is_over = true;
                    return Some(Err(io::ErrorKind::ConnectionReset.into()));
                }
                Some(Piece::End(end)) => self.life.end(end),
                Some(Piece::Apart) => tokio::time::sleep(BETWEEN_PIECES).await,
                Some(Piece::Pause(time)) => tokio::select! {
                    biased;
                    _ = self.life.ended() => self.mourn(),
                    () = self.time.sleep(time) => {}
                },
                None if self.is_over => return None,
                None => tokio::select! {
                    biased;
                    _ = self.life.ended() => self.mourn(),
                    read = self.body.next() => match read {
                        Some(Ok(bytes)) => self.enqueue(bytes),
                        // The server's own bodies do not fail.
                        Some(Err(_)) | None => self.is_over = true,
                    },
                },
            }
        }
    }

    fn mourn(&mut self) {
        self.is_over = true;
        self.queue.clear();
        self.queue
            .push_back(Piece::Bytes(Bytes::from_static(DEAD.as_bytes())));
    }

    fn enqueue(&mut self, bytes: Bytes) {
        self.n_tokens += 1;
        let n = self.n_tokens;
        match self.twists.garbling {
            Some(Garbling::Json) if n == 1 => self.queue.push_back(Piece::Bytes(broken(&bytes))),
            Some(Garbling::Utf8) if n == 1 => self.queue.push_back(Piece::Bytes(no_text(&bytes))),
            Some(Garbling::Split) => self.queue.extend(split(&bytes)),
            Some(Garbling::Json | Garbling::Utf8) | None => {
                self.queue.push_back(Piece::Bytes(bytes));
            }
        }
        if let Some((after, time)) = self.twists.stall
            && after == n
        {
            self.queue.push_back(Piece::Pause(time));
        }
        if let Some((after, end)) = self.twists.end
            && after == n
        {
            self.queue.push_back(Piece::End(end));
        }
        if self.twists.cut_after == Some(n) {
            // A connection that breaks takes with it what is not yet sent.
            self.queue.extend([Piece::Apart, Piece::Break]);
        }
    }
}

/// The last event breaks off in its middle, and yet ends.
fn broken(bytes: &Bytes) -> Bytes {
    let event = bytes
        .windows(6)
        .rposition(|window| window == b"data: ")
        .unwrap_or(0);
    let half = event + (bytes.len() - event) / 2;
    [&bytes[..half], b"\n\n"].concat().into()
}

/// Two bytes that no text has, in the middle of the last event.
fn no_text(bytes: &Bytes) -> Bytes {
    let half = bytes.len() - bytes.len().min(12);
    [&bytes[..half], b"\xff\xfe", &bytes[half..]]
        .concat()
        .into()
}

/// The same bytes in pieces that begin and end where no event, line or character does.
fn split(bytes: &Bytes) -> Vec<Piece> {
    let sizes = [1, 97, 2, 61];
    let mut pieces = Vec::new();
    let mut rest = bytes.clone();
    for size in sizes.into_iter().cycle() {
        let piece = rest.split_to(size.min(rest.len()));
        pieces.push(Piece::Bytes(piece));
        if rest.is_empty() {
            break;
        }
        pieces.push(Piece::Apart);
    }
    pieces
}
