//! How long a request still waits for what comes next.
//!
//! One timer a request, set anew only when it fires: a stream of thousands of tokens costs no
//! more timers than one of a few.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::load::stream::limits::RequestLimits;
use crate::measure::request::RequestFailure;

/// The patience with one request.
#[derive(Debug)]
pub struct Patience {
    limits: RequestLimits,
    total: Duration,
    stall: Duration,
    deadline: Instant,
    /// When something last arrived.
    arrived: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl Patience {
    /// It begins now.
    pub fn new(limits: RequestLimits) -> Self {
        let (total, stall) = limits.real();
        let deadline = Instant::now() + total;
        Self {
            limits,
            total,
            stall,
            deadline,
            arrived: None,
            timer: Box::pin(sleep_until(deadline)),
        }
    }

    /// When it ends, whatever arrives.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Part of the response's body is there.
    pub fn arrived(&mut self, at: Instant) {
        let is_first = self.arrived.is_none();
        self.arrived = Some(at);
        if is_first && self.next_end() < self.timer.deadline() {
            let end = self.next_end();
            self.timer.as_mut().reset(end);
        }
    }

    /// Ready with the reason when there is no more of it.
    pub fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<RequestFailure> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let end = self.next_end();
            if end <= self.timer.deadline() {
                return Poll::Ready(self.failure(end));
            }
            self.timer.as_mut().reset(end);
        }
        Poll::Pending
    }

    /// When it ends unless something arrives.
    fn next_end(&self) -> Instant {
        match self.arrived {
            None => self.deadline,
            Some(arrived) => self.deadline.min(arrived + self.stall),
        }
    }

    fn failure(&self, end: Instant) -> RequestFailure {
        match self.arrived {
            None => self.limits.stalled(self.total),
            Some(_) if end == self.deadline => self.limits.given_up(self.total),
            Some(_) => self.limits.stalled(self.stall),
        }
    }
}
