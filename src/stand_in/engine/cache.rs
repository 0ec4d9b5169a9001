//! The KV cache as blocks: which are free, which are held by sequences, and which still hold a
//! known prefix that a later prompt can take over.
//!
//! As in vLLM, a block is known by the hash of all tokens up to its end, a freed block keeps its
//! content until the room is needed, and the block freed longest ago goes first. What a
//! sequence is, and how long anything takes, is not known here.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::stand_in::model::tokens::TokenId;

/// Index of a block in the pool.
pub type BlockId = usize;

/// Whether full blocks are kept for later prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrefixCaching {
    On,
    Off,
}

#[derive(Debug, Clone, Default)]
struct Block {
    holders: usize,
    /// Hash of all tokens up to this block's end, once it is full and known.
    hash: Option<u64>,
    /// Place in the order of eviction while nobody holds it.
    freed_at: u64,
}

/// All blocks of the KV cache.
#[derive(Debug)]
pub struct BlockPool {
    n_blocks: usize,
    block_size: usize,
    caching: PrefixCaching,
    /// Blocks that were given out at least once; the others exist as a number only, so that an
    /// enormous pool costs nothing.
    blocks: Vec<Block>,
    /// Blocks that were given back and have no holder, by the time when that was.
    free: BTreeMap<u64, BlockId>,
    known: HashMap<u64, BlockId>,
    clock: u64,
}

impl BlockPool {
    /// A pool of `n_blocks` empty blocks of `block_size` tokens each.
    pub fn new(n_blocks: usize, block_size: usize, caching: PrefixCaching) -> Self {
        Self {
            n_blocks,
            block_size,
            caching,
            blocks: Vec::new(),
            free: BTreeMap::new(),
            known: HashMap::new(),
            clock: 0,
        }
    }

    fn n_free(&self) -> usize {
        self.n_blocks - self.blocks.len() + self.free.len()
    }

    /// Tokens in one block.
    pub fn block_size(&self) -> usize {
        self.block_size
    }

    pub fn caching(&self) -> PrefixCaching {
        self.caching
    }

    /// Share of the blocks that sequences hold, 0 to 1.
    pub fn usage(&self) -> f64 {
        if self.n_blocks == 0 {
            return 0.0;
        }
        (self.n_blocks - self.n_free()) as f64 / self.n_blocks as f64
    }

    /// Blocks needed for this many tokens.
    pub fn blocks_for(&self, n_tokens: usize) -> usize {
        n_tokens.div_ceil(self.block_size)
    }

    /// The known blocks with which `tokens` begin. The last token is never among them: it must
    /// be computed for the first answer token to come out.
    pub fn longest_prefix(&self, hashes: &[u64], n_tokens: usize) -> Vec<BlockId> {
        if self.caching == PrefixCaching::Off {
            return Vec::new();
        }
        let most = n_tokens.saturating_sub(1) / self.block_size;
        hashes
            .iter()
            .take(most)
            .map_while(|hash| self.known.get(hash).copied())
            .collect()
    }

    /// Can `n_new` blocks be given out, if the blocks of `prefix` are taken over as well?
    pub fn has_room(&self, prefix: &[BlockId], n_new: usize) -> bool {
        let idle = prefix
            .iter()
            .filter(|id| self.blocks[**id].holders == 0)
            .count();
        self.n_free() - idle >= n_new
    }

    /// Takes known blocks over for one more holder.
    pub fn take_over(&mut self, prefix: &[BlockId]) {
        for id in prefix {
            let block = &mut self.blocks[*id];
            if block.holders == 0 {
                self.free.remove(&block.freed_at);
            }
            block.holders += 1;
        }
    }

    /// Gives out `n_new` empty blocks, forgetting the prefixes that they held; `None`, and no
    /// change, if there are not so many.
    pub fn give_out(&mut self, n_new: usize) -> Option<Vec<BlockId>> {
        if self.n_free() < n_new {
            return None;
        }
        Some((0..n_new).map(|_| self.give_one()).collect())
    }

    /// A block that was never used, else the one given back longest ago.
    fn give_one(&mut self) -> BlockId {
        if self.blocks.len() < self.n_blocks {
            self.blocks.push(Block {
                holders: 1,
                ..Block::default()
            });
            return self.blocks.len() - 1;
        }
        let (_, id) = self
            .free
            .pop_first()
            .expect("the number of free blocks was checked");
        let block = &mut self.blocks[id];
        block.holders = 1;
        if let Some(hash) = block.hash.take() {
            self.known.remove(&hash);
        }
        id
    }

    /// Makes full blocks known by their hashes, in order. A prefix that is known already stays
    /// with the block that has it.
    pub fn remember(&mut self, blocks: &[BlockId], hashes: &[u64]) {
        if self.caching == PrefixCaching::Off {
            return;
        }
        for (id, hash) in blocks.iter().zip(hashes) {
            if self.blocks[*id].hash.is_none() && !self.known.contains_key(hash) {
                self.blocks[*id].hash = Some(*hash);
                self.known.insert(*hash, *id);
            }
        }
    }

    /// Forgets all known prefixes; false, and no change, while a sequence holds blocks.
    pub fn forget(&mut self) -> bool {
        if self.n_free() < self.n_blocks {
            return false;
        }
        self.known.clear();
        for block in &mut self.blocks {
            block.hash = None;
        }
        true
    }

    /// Gives blocks of one holder back. The end of a sequence is evicted before its beginning,
    /// which more prompts can share.
    pub fn release(&mut self, blocks: &[BlockId]) {
        for id in blocks.iter().rev() {
            let block = &mut self.blocks[*id];
            block.holders -= 1;
            if block.holders == 0 {
                block.freed_at = self.clock;
                self.free.insert(self.clock, *id);
                self.clock += 1;
            }
        }
    }
}

/// Hashes the full blocks of `tokens` from the block after `hashes`' last onwards, and appends
/// them. The hash needs no secret and no stability across builds: it lives in one process.
pub fn extend_hashes(hashes: &mut Vec<u64>, tokens: &[TokenId], block_size: usize) {
    for block in tokens.chunks_exact(block_size).skip(hashes.len()) {
        let mut hasher = DefaultHasher::new();
        (hashes.last(), block).hash(&mut hasher);
        hashes.push(hasher.finish());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(tokens: &[TokenId]) -> Vec<u64> {
        let mut found = Vec::new();
        extend_hashes(&mut found, tokens, 4);
        found
    }

    fn computed(pool: &mut BlockPool, tokens: &[TokenId]) -> Vec<BlockId> {
        let blocks = pool.give_out(pool.blocks_for(tokens.len())).unwrap();
        pool.remember(&blocks, &hashes(tokens));
        blocks
    }

    #[test]
    fn a_hash_speaks_for_all_tokens_before_it() {
        let one = hashes(&[1, 2, 3, 4, 5, 6, 7, 8, 9]);
        let other = hashes(&[0, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(one.len(), 2);
        assert_ne!(one[1], other[1]);
        let mut grown = hashes(&[1, 2, 3, 4]);
        extend_hashes(&mut grown, &[1, 2, 3, 4, 5, 6, 7, 8], 4);
        assert_eq!(grown, one);
    }

    #[test]
    fn a_freed_prefix_is_found_again_but_never_with_the_last_token() {
        let mut pool = BlockPool::new(4, 4, PrefixCaching::On);
        let tokens: Vec<TokenId> = (0..8).collect();
        let blocks = computed(&mut pool, &tokens);
        pool.release(&blocks);
        assert_eq!(pool.usage(), 0.0);
        assert_eq!(pool.longest_prefix(&hashes(&tokens), 8), blocks[..1]);
        let longer: Vec<TokenId> = (0..9).collect();
        assert_eq!(pool.longest_prefix(&hashes(&longer), 9), blocks);
        let other: Vec<TokenId> = (1..10).collect();
        assert!(pool.longest_prefix(&hashes(&other), 9).is_empty());
    }

    #[test]
    fn what_was_freed_longest_ago_and_last_in_its_sequence_goes_first() {
        let mut pool = BlockPool::new(4, 4, PrefixCaching::On);
        let (old, young): (Vec<TokenId>, Vec<TokenId>) = ((0..8).collect(), (100..108).collect());
        let (first, second) = (computed(&mut pool, &old), computed(&mut pool, &young));
        pool.release(&first);
        pool.release(&second);
        assert_eq!(pool.give_out(1).unwrap(), [first[1]]);
        assert_eq!(pool.longest_prefix(&hashes(&old), 9), first[..1]);
        assert_eq!(pool.longest_prefix(&hashes(&young), 9), second);
    }

    #[test]
    fn held_blocks_are_neither_given_out_nor_counted_as_room() {
        let mut pool = BlockPool::new(3, 4, PrefixCaching::On);
        let tokens: Vec<TokenId> = (0..8).collect();
        let blocks = computed(&mut pool, &tokens);
        assert!(pool.give_out(2).is_none());
        pool.release(&blocks);
        assert!(pool.has_room(&blocks, 1));
        assert!(!pool.has_room(&blocks, 2));
        pool.take_over(&blocks);
        pool.take_over(&blocks);
        pool.release(&blocks);
        assert!(pool.give_out(2).is_none());
        assert!((pool.usage() - 2.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn without_caching_nothing_is_known() {
        let mut pool = BlockPool::new(4, 4, PrefixCaching::Off);
        let tokens: Vec<TokenId> = (0..8).collect();
        let blocks = computed(&mut pool, &tokens);
        pool.release(&blocks);
        assert!(pool.longest_prefix(&hashes(&tokens), 9).is_empty());
    }
}
