//! Whom a container's setting names as its user, as container engines read it: `USER`, `USER:GROUP`, by names of the image
//! or by numbers.

use super::user::User;

/// A user, and where it is at home.
#[derive(Debug, PartialEq, Eq)]
pub struct UserInContainer {
    pub user: User,
    pub home: String,
}

/// Finds it in the texts of `/etc/passwd` and `/etc/group`; nothing where a name is not in them. A number needs no entry.
pub fn find_user(wanted: &str, passwd: &str, groups: &str) -> Option<UserInContainer> {
    let (user, group) = match wanted.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (wanted, None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let entry = lines(passwd).find(|entry| entry[0] == user || (entry.get(2) == Some(&user)));
    let (uid, name, own_group, home) = match &entry {
        Some(entry) => {
            let home = entry.get(5).filter(|home| !home.is_empty()).unwrap_or(&"/");
            (entry.get(2)?.parse().ok()?, Some(entry[0]), entry.get(3)?.parse().ok()?, *home)
        }
        None => (user.parse().ok()?, None, 0, "/"),
    };
    let (gid, more) = match group {
        Some(group) => (group_of(group, groups)?, Vec::new()),
        None => (own_group, name.map_or_else(Vec::new, |name| groups_with(name, groups))),
    };
    let home = if uid == 0 && entry.is_none() { "/root" } else { home };
    Some(UserInContainer { user: User { uid, gid, groups: more }, home: home.to_owned() })
}

fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split(':').collect::<Vec<_>>()).filter(|entry| entry.len() > 2)
}

fn group_of(wanted: &str, groups: &str) -> Option<u32> {
    let entry = lines(groups).find(|entry| entry[0] == wanted || entry[2] == wanted);
    entry.map_or(wanted, |entry| entry[2]).parse().ok()
}

/// The groups that have it as a member.
fn groups_with(name: &str, groups: &str) -> Vec<u32> {
    let has = |entry: &Vec<&str>| entry.get(3).is_some_and(|members| members.split(',').any(|member| member == name));
    lines(groups).filter(has).filter_map(|entry| entry[2].parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1001:Ada:/home/ada:/bin/sh\n\nbroken\n7:x:8:9::/seven:\n";
    const GROUP: &str = "root:x:0:\nada:x:1001:\nvideo:x:44:bob,ada\naudio:x:29:adab\n";

    fn found(wanted: &str) -> Option<(u32, u32, Vec<u32>, String)> {
        let found = find_user(wanted, PASSWD, GROUP)?;
        Some((found.user.uid, found.user.gid, found.user.groups, found.home))
    }

    #[test]
    fn users_are_named_as_for_docker_run() {
        let ada = Some((1000, 1001, vec![44], "/home/ada".to_owned()));
        assert_eq!(found("ada"), ada);
        assert_eq!(found("1000"), ada);
        assert_eq!(found("ada:"), ada);
        assert_eq!(found("ada:video"), Some((1000, 44, vec![], "/home/ada".to_owned())));
        assert_eq!(found("1000:5"), Some((1000, 5, vec![], "/home/ada".to_owned())));
        assert_eq!(found("1234"), Some((1234, 0, vec![], "/".to_owned())));
        for root in ["", "0", "root"] {
            assert_eq!(found(root), Some((0, 0, vec![], "/root".to_owned())), "{root:?}");
        }
        assert_eq!(find_user("", "", "").map(|root| root.user.uid), Some(0));
    }

    #[test]
    fn a_name_that_the_image_has_not_is_nobody() {
        for unknown in ["eve", "ada:eve", "-1", "4294967296", "x:0"] {
            assert_eq!(found(unknown), None, "{unknown}");
        }
    }
}
