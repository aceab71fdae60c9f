//! Who runs programs, where that is somebody else than who runs the worker. Compiled into both the spawner and the
//! executor, which hands it over as an argument.

use std::{fmt, str::FromStr};

/// A user, by the numbers that the system knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user.
    pub uid: u32,
    /// Its first group.
    pub gid: u32,
    /// All of its groups.
    pub groups: Vec<u32>,
}

/// `UID:GID:GROUP,GROUP`
impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups: Vec<String> = self.groups.iter().map(u32::to_string).collect();
        write!(f, "{}:{}:{}", self.uid, self.gid, groups.join(","))
    }
}

impl FromStr for User {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let parts: Vec<&str> = text.split(':').collect();
        let [uid, gid, groups] = parts[..] else { return Err(()) };
        let groups = groups.split(',').filter(|group| !group.is_empty());
        Ok(Self {
            uid: uid.parse().map_err(drop)?,
            gid: gid.parse().map_err(drop)?,
            groups: groups.map(|group| group.parse().map_err(drop)).collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_read_as_it_was_written() {
        for groups in [vec![], vec![7], vec![7, 8]] {
            let user = User { uid: 65534, gid: 7, groups };
            assert_eq!(user.to_string().parse(), Ok(user));
        }
        for wrong in ["", "1", "1:2", "1:2:x", "-1:2:3"] {
            assert_eq!(wrong.parse::<User>(), Err(()), "{wrong}");
        }
    }
}
