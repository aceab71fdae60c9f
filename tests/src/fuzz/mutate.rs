//! Changes bytes as chance has it. Nothing is learnt from what a target does: libFuzzer does that, in `fuzz/`.

/// Pieces that parsers look for.
const WORDS: &[&[u8]] = &[
    b"\0",
    b"\xff",
    b"\x80",
    b"\x7f",
    b"../",
    b"/",
    b".",
    b"..",
    b"%",
    b"%00",
    b"%ff",
    b"&",
    b"=",
    b";",
    b",",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1e999",
    b"18446744073709551615",
    b"9223372036854775808",
    b"\x1b[",
    b"\x1b]",
    b"m",
    b"38;5;",
    b"38:2:",
    b"99999C",
    b"\r",
    b"\n",
    b"\xe2\x80\xae",
    b"\xf0\x9f\x92\xa9",
    b"\xc3",
    b"\x1f\x8b\x08\0",
    b"ustar\x0000",
    b"ustar  \0",
    b"77777777777",
    b"\x80\0\0\0\0\0\0\xff\xff\xff\xff\xff",
    b"x",
    b"g",
    b"L",
    b"K",
    b"S",
    b"1",
    b"2",
    b"5",
    b"6",
    b"17 path=../../a\n",
    b"GNU.sparse.size=1\n",
    b"<script>",
    b"\xff\xff\xff\xff\x0f",
    b"$serde_json::private::Number",
];

/// The longest input that is made.
const LONGEST: usize = 64 << 10;

/// Makes inputs of others.
#[derive(Debug)]
pub struct Mutator {
    state: u64,
}

impl Mutator {
    /// The same seed makes the same inputs.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    /// A number below `most`; 0 where there is none.
    pub fn below(&mut self, most: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let number = usize::try_from(self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap_or(0);
        if most == 0 { 0 } else { number % most }
    }

    /// One of the inputs, changed in a few places.
    pub fn mutated(&mut self, inputs: &[Vec<u8>]) -> Vec<u8> {
        let chosen = self.below(inputs.len());
        let mut bytes = inputs.get(chosen).cloned().unwrap_or_default();
        for _ in 0..=self.below(6) {
            self.change(&mut bytes, inputs);
        }
        bytes.truncate(LONGEST);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, inputs: &[Vec<u8>]) {
        let at = self.below(bytes.len() + 1);
        let longest = 1 << self.below(9);
        let length = 1 + self.below(longest);
        let end = (at + length).min(bytes.len());
        match self.below(10) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 if at < bytes.len() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'0', b'9', b' '][self.below(8)],
            2 if at < bytes.len() => bytes[at] = bytes[at].wrapping_add(1).wrapping_sub(self.below(3) as u8),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let piece = bytes[at..end].repeat(1 + self.below(8));
                drop(bytes.splice(at..at, piece));
            }
            5 => {
                let word = WORDS[self.below(WORDS.len())];
                drop(bytes.splice(at..at, word.iter().copied()));
            }
            6 => {
                let word = WORDS[self.below(WORDS.len())];
                let end = (at + word.len()).min(bytes.len());
                drop(bytes.splice(at..end, word.iter().copied()));
            }
            7 => {
                let chosen = self.below(inputs.len());
                let other = inputs.get(chosen).map_or(&[][..], Vec::as_slice);
                let from = self.below(other.len());
                let piece = other[from..(from + length).min(other.len())].to_vec();
                drop(bytes.splice(at..end, piece));
            }
            8 => {
                let from = self.below(bytes.len());
                let piece = bytes[from..(from + length).min(bytes.len())].to_vec();
                drop(bytes.splice(at..end, piece));
            }
            _ => {
                let piece: Vec<u8> = (0..length.min(16)).map(|_| self.below(256) as u8).collect();
                drop(bytes.splice(at..at, piece));
            }
        }
    }
}
