//! What an extended header says about the entry behind it: `LENGTH KEY=VALUE\n`, again and again.

/// What counts of it. Times, owners and attributes do not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    /// It describes a file with holes.
    pub(super) sparse: bool,
}

impl Pax {
    /// The same over what was said before.
    pub(super) fn over(self, before: Self) -> Self {
        Self {
            path: self.path.or(before.path),
            link: self.link.or(before.link),
            size: self.size.or(before.size),
            sparse: self.sparse || before.sparse,
        }
    }
}

/// Reads an extended header; nothing where it is malformed.
pub(super) fn read(mut rest: &[u8]) -> Option<Pax> {
    let mut pax = Pax::default();
    // Some programs fill up with zeros.
    while !rest.iter().all(|byte| *byte == 0) {
        let space = rest.iter().take(8).position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(&rest[..space]).ok()?.parse().ok()?;
        let record = rest.get(space + 1..length)?.strip_suffix(b"\n")?;
        rest = &rest[length..];
        let equals = record.iter().position(|byte| *byte == b'=')?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        match key {
            // An empty value takes back what an earlier one said.
            b"path" => pax.path = (!value.is_empty()).then(|| value.to_owned()),
            b"linkpath" => pax.link = (!value.is_empty()).then(|| value.to_owned()),
            b"size" => pax.size = Some(std::str::from_utf8(value).ok()?.parse().ok()?),
            b"SCHILY.realsize" => pax.sparse = true,
            key if key.starts_with(b"GNU.sparse.") => pax.sparse = true,
            _ => {}
        }
    }
    Some(pax)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_records_count() {
        let some = read(b"12 path=a/b\n31 mtime=1700000000.123456789\n".as_slice());
        assert_eq!(some, None, "the second is shorter than it says");
        let read_all = read(b"12 path=a/b\n14 linkpath=c\n10 size=7\n").unwrap();
        assert_eq!(
            (read_all.path.as_deref(), read_all.link.as_deref(), read_all.size),
            (Some(&b"a/b"[..]), Some(&b"c"[..]), Some(7))
        );
        assert!(read(b"22 GNU.sparse.major=1\n").unwrap().sparse);
        for wrong in
            [&b"path=a\n"[..], b"99999999999999999999 a=b\n", b"3 a\n", b"6 a=b\n\n", b"0 a=b\n", b"1 a=b\n", b"5 a=b"]
        {
            assert!(read(wrong).is_none(), "{:?}", String::from_utf8_lossy(wrong));
        }
    }
}
