//! A set of byte strings, each with a number, in one block of bytes: a double-array trie that is walked where it lies.
//!
//! A node is a unit of eight bytes. Its child for a byte stands at the node's base XOR that byte, if the unit there was
//! made for this byte. No two nodes have the same base, so what is there for another node was made for another byte.
//! (J. Aoe: An Efficient Digital Search Algorithm by Using a Double-Array Structure, 1989; with XOR as in S. Yata's
//! darts-clone.)
//!
//! The block may be part of a file that was damaged: then wrong strings are found, but nothing outside the block is read.

use std::collections::BTreeSet;

/// Bytes of a unit.
pub const UNIT: usize = 8;

/// A unit, from its lowest bit on: one more than the byte that it is there for, or 0 if for none; the base of its
/// children, or 0 if it has none; one more than the number of the string that ends here, or 0 if none does.
const BYTE_BITS: u32 = 9;
const BASE_BITS: u32 = 23;
const NUMBER_SHIFT: u32 = BYTE_BITS + BASE_BITS;

/// Places between which a byte leads from a base.
const BLOCK: usize = 256;

/// In how many of the last blocks a base is looked for. Those before are nearly full, and not worth the time.
const OPEN_BLOCKS: usize = 16;

/// The trie in a block of bytes.
#[derive(Clone, Copy)]
pub struct Trie<'b> {
    units: &'b [[u8; UNIT]],
}

impl<'b> Trie<'b> {
    pub fn new(bytes: &'b [u8]) -> Self {
        Self { units: bytes.as_chunks().0 }
    }

    /// The number of a string.
    pub fn get(self, string: &[u8]) -> Option<u32> {
        string.iter().try_fold(self.unit(0), |node, &byte| self.child(node, byte)).and_then(number)
    }

    /// Length and number of the strings that `text` begins with, the shortest first, without the empty one.
    pub fn prefixes<'t>(self, text: &'t [u8]) -> impl Iterator<Item = (usize, u32)> + use<'b, 't> {
        let mut node = self.unit(0);
        let nodes = text.iter().map_while(move |&byte| {
            node = self.child(node, byte)?;
            Some(node)
        });
        nodes.enumerate().filter_map(|(at, node)| Some((at + 1, number(node)?)))
    }

    fn child(self, node: u64, byte: u8) -> Option<u64> {
        let child = self.unit(base(node) ^ usize::from(byte));
        (child & ((1 << BYTE_BITS) - 1) == u64::from(byte) + 1).then_some(child)
    }

    fn unit(self, place: usize) -> u64 {
        self.units.get(place).map_or(0, |unit| u64::from_le_bytes(*unit))
    }
}

fn base(node: u64) -> usize {
    (node >> BYTE_BITS) as usize & ((1 << BASE_BITS) - 1)
}

fn number(node: u64) -> Option<u32> {
    ((node >> NUMBER_SHIFT) as u32).checked_sub(1)
}

/// The trie of `strings`, each with the number of its last occurrence; `None` if it would be too large.
pub fn build<'s>(strings: impl IntoIterator<Item = (&'s [u8], u32)>) -> Option<Vec<u8>> {
    let mut strings: Vec<(&[u8], u32)> = strings.into_iter().collect();
    strings.sort_by_key(|&(string, number)| (string, std::cmp::Reverse(number)));
    strings.dedup_by_key(|&mut (string, _)| string);
    let mut builder = Builder { units: vec![0], free: BTreeSet::new(), is_base: vec![true] };
    // Nodes with the strings below them and the length of what these have in common.
    let mut nodes = vec![(0, &strings[..], 0)];
    while let Some((place, mut below, depth)) = nodes.pop() {
        if let Some(((string, number), rest)) = below.split_first()
            && string.len() == depth
        {
            builder.units[place] |= (u64::from(*number) + 1) << NUMBER_SHIFT;
            below = rest;
        }
        let children: Vec<_> = below.chunk_by(|(one, _), (other, _)| one[depth] == other[depth]).collect();
        let bytes: Vec<u8> = children.iter().map(|strings| strings[0].0[depth]).collect();
        let base = builder.place(place, &bytes)?;
        nodes.extend(children.into_iter().zip(bytes).map(|(below, byte)| (base ^ usize::from(byte), below, depth + 1)));
    }
    Some(builder.units.into_iter().flat_map(u64::to_le_bytes).collect())
}

struct Builder {
    units: Vec<u64>,
    /// The places in the last blocks that have no unit yet.
    free: BTreeSet<usize>,
    /// Of each place, whether it is not to be a base again.
    is_base: Vec<bool>,
}

impl Builder {
    /// Gives the node at `parent` a child for each of `bytes`, and the base of these.
    fn place(&mut self, parent: usize, bytes: &[u8]) -> Option<usize> {
        let Some(&first) = bytes.first() else { return Some(0) };
        let base = loop {
            let bases = self.free.iter().map(|place| place ^ usize::from(first));
            let is_free = |base: usize| bytes.iter().all(|&byte| self.free.contains(&(base ^ usize::from(byte))));
            if let Some(base) = bases.into_iter().find(|&base| !self.is_base[base] && is_free(base)) {
                break base;
            }
            self.grow()?;
        };
        self.is_base[base] = true;
        self.units[parent] |= (base as u64) << BYTE_BITS;
        for &byte in bytes {
            let place = base ^ usize::from(byte);
            self.free.remove(&place);
            self.units[place] = u64::from(byte) + 1;
        }
        Some(base)
    }

    /// Adds a block; the first one begins with the root.
    fn grow(&mut self) -> Option<()> {
        let (start, end) = (self.units.len(), (self.units.len() + 1).next_multiple_of(BLOCK));
        if end > 1 << BASE_BITS {
            return None;
        }
        self.units.resize(end, 0);
        self.is_base.resize(end, false);
        self.free = self.free.split_off(&end.saturating_sub(OPEN_BLOCKS * BLOCK));
        self.free.extend(start..end);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(strings: &[&str]) -> Vec<u8> {
        build(strings.iter().zip(0..).map(|(string, number)| (string.as_bytes(), number))).unwrap()
    }

    fn prefixes(bytes: &[u8], text: &str) -> Vec<(usize, u32)> {
        Trie::new(bytes).prefixes(text.as_bytes()).collect()
    }

    #[test]
    fn finds_the_strings_that_a_text_begins_with() {
        let bytes = built(&["b", "a", "abc", "字", "abcd", "\0", "a\0", ""]);
        assert_eq!(prefixes(&bytes, "abcde"), [(1, 1), (3, 2), (4, 4)]);
        assert_eq!(prefixes(&bytes, "ab"), [(1, 1)]);
        assert_eq!(prefixes(&bytes, "字典"), [(3, 3)]);
        assert_eq!(prefixes(&bytes, "\0\0"), [(1, 5)]);
        assert_eq!(prefixes(&bytes, "a\0"), [(1, 1), (2, 6)]);
        assert_eq!(prefixes(&bytes, "x"), []);
        assert_eq!(prefixes(&bytes, ""), []);
        let trie = Trie::new(&bytes);
        assert_eq!(
            [&b"abc"[..], b"ab", b"", b"abcde", b"\0"].map(|text| trie.get(text)),
            [Some(2), None, Some(7), None, Some(5)]
        );
    }

    #[test]
    fn a_string_has_its_last_number() {
        let bytes = built(&["a", "ab", "a", "b", "a"]);
        assert_eq!(prefixes(&bytes, "ab"), [(1, 4), (2, 1)]);
    }

    #[test]
    fn no_string_is_found_in_none() {
        for bytes in [built(&[]), Vec::new(), vec![255; 3]] {
            assert_eq!(prefixes(&bytes, "a"), []);
            assert_eq!(Trie::new(&bytes).get(b""), None);
        }
    }

    #[test]
    fn all_of_many_strings_are_found_and_no_others() {
        // All strings of up to three of some bytes, but for those whose bytes add up to a multiple of three.
        let bytes: Vec<u8> = (0..=255).step_by(5).collect();
        let mut all: Vec<Vec<u8>> = bytes.iter().map(|&byte| vec![byte]).collect();
        for _ in 0..2 {
            let longer = all.iter().flat_map(|start| bytes.iter().map(|&byte| [&start[..], &[byte]].concat()));
            all = longer.chain(all.clone()).collect();
        }
        all.sort();
        all.dedup();
        let is_in = |string: &[u8]| string.iter().map(|&byte| u32::from(byte)).sum::<u32>() % 3 != 0;
        let numbered = |strings: &[Vec<u8>]| build(strings.iter().map(Vec::as_slice).filter(|s| is_in(s)).zip(0..));
        let block = numbered(&all).unwrap();
        let trie = Trie::new(&block);
        let mut number = 0;
        for string in &all {
            assert_eq!(trie.get(string), is_in(string).then_some(number));
            let prefixes = (1..=string.len()).filter(|&end| is_in(&string[..end]));
            assert!(trie.prefixes(string).map(|(length, _)| length).eq(prefixes));
            number += u32::from(is_in(string));
        }
        assert!(block.len() < 2 * UNIT * all.len(), "{} bytes for {} strings", block.len(), all.len());
    }

    #[test]
    fn a_damaged_block_is_walked_to_no_harm() {
        let mut bytes = built(&["abc", "abd", "x", "xyz"]);
        let mut state = 1u32;
        for _ in 0..10_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = (state >> 8) as usize % bytes.len();
            bytes[at] = state as u8;
            assert!(Trie::new(&bytes).prefixes(b"abcabdxyz").all(|(length, _)| length <= 9));
        }
    }
}
