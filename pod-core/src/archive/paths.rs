//! Where names in an archive lead.

use std::path::{Component, Path};

use super::{
    limits::{LONGEST_NAME, LONGEST_PATH},
    refused::Refused,
};

/// A path without what does not change where it leads; empty for the top.
pub(super) fn normal(path: &[u8]) -> Result<Vec<u8>, Refused> {
    let refuse = |why: String| Err(Refused::entry(path, why));
    if path.len() > LONGEST_PATH {
        return refuse(format!("has too long a path; at most {LONGEST_PATH} bytes are allowed"));
    }
    if path.contains(&0) {
        return refuse("has a zero byte in its path, which no file can have".to_owned());
    }
    if path.starts_with(b"/") {
        return refuse(leads_out());
    }
    let mut normal = Vec::with_capacity(path.len());
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => continue,
            b".." => return refuse(leads_out()),
            part if part.len() > LONGEST_NAME => {
                return refuse(format!("has too long a name; at most {LONGEST_NAME} bytes are allowed"));
            }
            part => {
                if !normal.is_empty() {
                    normal.push(b'/');
                }
                normal.extend_from_slice(part);
            }
        }
    }
    Ok(normal)
}

pub(super) fn leads_out() -> String {
    "leads out of its directory, which none may".to_owned()
}

/// The directory that something is in; nothing where that is the top.
pub(super) fn parent(path: &[u8]) -> Option<&[u8]> {
    path.iter().rposition(|byte| *byte == b'/').map(|at| &path[..at])
}

/// Whether a link at `path` of an archive leads to somewhere below the top. It may go up only at its beginning, where no
/// other link can be on the way.
#[must_use]
pub fn stays_within(path: &Path, target: &Path) -> bool {
    let depth = path.components().filter(|part| matches!(part, Component::Normal(_))).count().saturating_sub(1);
    let mut parts = target.components().filter(|part| *part != Component::CurDir).peekable();
    let mut ups = 0;
    while parts.next_if_eq(&Component::ParentDir).is_some() {
        ups += 1;
    }
    ups <= depth && parts.all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_may_go_up_only_as_far_as_the_top() {
        let stays = |path: &str, target: &str| stays_within(Path::new(path), Path::new(target));
        assert!(stays("bin/python", "../lib/python3"));
        assert!(stays("python", "./lib/python3"));
        assert!(!stays("python", "../lib"));
        assert!(!stays("bin/python", "../../lib"));
        assert!(!stays("bin/python", "x/../../../lib"));
        assert!(!stays("bin/python", "/usr/bin/python3"));
    }

    #[test]
    fn paths_are_made_equal_where_they_lead_to_the_same() {
        for (path, same) in [("./a//b/", "a/b"), (".", ""), ("", ""), ("a/./b", "a/b"), ("...", "...")] {
            assert_eq!(normal(path.as_bytes()).unwrap(), same.as_bytes(), "{path}");
        }
        for path in ["/a", "..", "a/../b", "a/..", "a\0b"] {
            assert!(normal(path.as_bytes()).is_err(), "{path}");
        }
        assert_eq!((parent(b"a/b/c"), parent(b"a")), (Some(&b"a/b"[..]), None));
    }
}
