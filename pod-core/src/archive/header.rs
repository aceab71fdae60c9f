//! One header of a tar: a block of fields at fixed places.

pub(super) const BLOCK: usize = 512;

const NAME: std::ops::Range<usize> = 0..100;
const MODE: std::ops::Range<usize> = 100..108;
const SIZE: std::ops::Range<usize> = 124..136;
const MTIME: std::ops::Range<usize> = 136..148;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const KIND: usize = 156;
const LINK: std::ops::Range<usize> = 157..257;
const MAGIC: std::ops::Range<usize> = 257..263;
const PREFIX: std::ops::Range<usize> = 345..500;

#[derive(Debug)]
pub(super) struct Header(pub(super) [u8; BLOCK]);

impl Header {
    /// A block of zeros marks the end.
    pub(super) fn is_end(&self) -> bool {
        self.0 == [0; BLOCK]
    }

    /// Whether the sum of its bytes is the one that it names.
    pub(super) fn is_sound(&self) -> bool {
        // The field itself counts as spaces.
        let expected = sum(&self.0) - sum(&self.0[CHECKSUM]) + CHECKSUM.len() as u64 * u64::from(b' ');
        number(&self.0[CHECKSUM]) == Some(expected)
    }

    pub(super) fn kind(&self) -> u8 {
        self.0[KIND]
    }

    pub(super) fn size(&self) -> Option<u64> {
        number(&self.0[SIZE])
    }

    pub(super) fn mode(&self) -> Option<u32> {
        u32::try_from(number(&self.0[MODE])?).ok()
    }

    /// In seconds; nothing where it is before 1970 or makes no sense, since nothing depends on it.
    pub(super) fn mtime(&self) -> u64 {
        number(&self.0[MTIME]).unwrap_or_default()
    }

    pub(super) fn path(&self) -> Vec<u8> {
        let name = text(&self.0[NAME]);
        // GNU's format, which says "ustar  ", has other fields there.
        match text(&self.0[PREFIX]) {
            prefix if !prefix.is_empty() && self.0[MAGIC] == *b"ustar\0" => [prefix, b"/", name].concat(),
            _ => name.to_owned(),
        }
    }

    pub(super) fn link(&self) -> Vec<u8> {
        text(&self.0[LINK]).to_owned()
    }
}

/// The sum of all bytes, whose number is a multiple of eight: eight at a time, since there may be very many headers.
fn sum(bytes: &[u8]) -> u64 {
    const EVERY_OTHER: u64 = 0x00ff_00ff_00ff_00ff;
    let words = bytes.as_chunks::<8>().0;
    // Four sums of 16 bits each, which 64 words do not fill.
    let sums = words.iter().fold(0, |sums, word| {
        let word = u64::from_le_bytes(*word);
        sums + (word & EVERY_OTHER) + ((word >> 8) & EVERY_OTHER)
    });
    [0, 16, 32, 48].map(|shift| sums >> shift & 0xffff).iter().sum()
}

/// What stands before the first zero.
pub(super) fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A number in octal digits between spaces, or, where the first bit is set, in binary. An empty field is zero.
fn number(field: &[u8]) -> Option<u64> {
    if let [first @ 0x80..=0xff, rest @ ..] = field {
        // The bit behind the mark is the sign.
        let start = (*first == 0x80).then_some(0_u64)?;
        return rest.iter().try_fold(start, |sum, byte| Some(sum.checked_mul(256)? | u64::from(*byte)));
    }
    let digits = text(field).trim_ascii();
    digits.iter().try_fold(0_u64, |sum, digit| {
        matches!(digit, b'0'..=b'7').then(|| sum.checked_mul(8)?.checked_add(u64::from(digit - b'0'))).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_tar_programs_write_them() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"   644 \0"), Some(0o644));
        assert_eq!(number(b"77777777777\0"), Some((8 << 30) - 1));
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]), Some(8 << 30));
        assert_eq!(number(&[0; 12]), Some(0));
        for wrong in
            [&b"0000648\0"[..], b"-1\0\0\0\0\0\0", b"1 2\0", &[0xff; 12], &[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]]
        {
            assert_eq!(number(wrong), None, "{wrong:?}");
        }
    }
}
