//! What a root-cause message looks like: fragments of one line, what they name, and how they
//! stand against other messages of the same log.
//!
//! The messages themselves are in `rules`.

use crate::diagnose::class::FailureClass;

/// One message.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    pub tier: Tier,
    pub names: Names,
    /// All occur in the line, in this order. A leading `^` ties the first one to the start.
    pub fragments: &'static [&'static str],
    /// None of these occurs in the line.
    pub unless: &'static [&'static str],
    /// Flags that the message is about without naming them, by long name.
    pub about: &'static [&'static str],
    pub weight: Weight,
}

/// What a message names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    Class(FailureClass),
    /// Device memory ran out; the phase tells which of the two classes it is.
    GpuOom,
    /// vLLM on CPU asked for more KV cache than there is: too small a cache when the amount
    /// asked for is not positive, else too little host memory.
    CpuKvCache,
    /// A worker did not answer in time.
    HungWorker,
}

/// Which message wins when a log holds several: the first tier in this order, and in a tier the
/// first line. The order resolves the collisions that logs show: an exact sentence of vLLM
/// stands before what it led to elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// The container runtime or argparse refused; nothing of the engine ran.
    Command,
    /// The container runtime failed, in general words; the reason can stand behind them.
    Container,
    /// A full /dev/shm makes NCCL fail in other words later.
    SharedMemory,
    /// A port in use makes c10d fail in other words later.
    Port,
    MemoryTaken,
    KvCache,
    GpuMemory,
    HostMemory,
    Model,
    NoGpu,
    /// vLLM does not know the model; pydantic wraps this, too.
    Unsupported,
    /// pydantic wraps messages of the tiers above, too.
    Argument,
    /// NCCL and CUDA faults: aborts that memory errors drag along.
    Fault,
    /// A process crashed: the kernel, which Docker tells of, can have been behind it.
    Crash,
    /// A peer says that another process went away.
    Aftermath,
}

/// How far a message can be trusted to be the cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Where it stands and was not survived, it is the cause.
    Strong,
    /// Also seen in logs that went on; used only when nothing else names a death.
    Faint,
}

impl Rule {
    pub const fn new(tier: Tier, class: FailureClass, fragments: &'static [&'static str]) -> Self {
        Self::naming(tier, Names::Class(class), fragments)
    }

    pub const fn naming(tier: Tier, names: Names, fragments: &'static [&'static str]) -> Self {
        Self {
            tier,
            names,
            fragments,
            unless: &[],
            about: &[],
            weight: Weight::Strong,
        }
    }

    pub const fn unless(mut self, unless: &'static [&'static str]) -> Self {
        self.unless = unless;
        self
    }

    pub const fn about(mut self, flags: &'static [&'static str]) -> Self {
        self.about = flags;
        self
    }

    pub const fn faint(mut self) -> Self {
        self.weight = Weight::Faint;
        self
    }

    /// Does this line hold the message?
    pub fn matches(&self, text: &str) -> bool {
        let mut rest = text;
        for fragment in self.fragments {
            if let Some(start) = fragment.strip_prefix('^') {
                let Some(after) = rest.strip_prefix(start) else {
                    return false;
                };
                rest = after;
            } else {
                let Some(at) = rest.find(fragment) else {
                    return false;
                };
                rest = &rest[at + fragment.len()..];
            }
        }
        !self.unless.iter().any(|word| text.contains(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_hold_in_order_and_exceptions_count() {
        let rule = Rule::new(Tier::Port, FailureClass::PortInUse, &["^a", "b"]).unless(&["c"]);
        assert!(rule.matches("a then b"));
        assert!(!rule.matches("xa then b"));
        assert!(!rule.matches("b then a"));
        assert!(!rule.matches("a then b then c"));
    }
}
