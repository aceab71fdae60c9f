//! How often the system killed something because the memory of this process's control group was used up. Compiled into
//! both the spawner, for the container of an execution, and the executor, for its worker.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
};

/// Where control groups are mounted.
const MOUNT: &str = "/sys/fs/cgroup";

/// Reads the count. Where the system keeps none, it is always zero.
#[derive(Debug, Default)]
pub struct MemoryWatch {
    file: Option<File>,
}

impl MemoryWatch {
    /// Finds the file of this process's control group, of either version.
    pub fn of_this_process() -> Self {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let candidates = groups.lines().flat_map(candidates);
        let mut watches = candidates.filter_map(|path| Some(Self { file: Some(File::open(path).ok()?) }));
        watches.find(|watch| watch.read().is_some()).unwrap_or_default()
    }

    /// The count until now.
    pub fn kills(&self) -> u64 {
        self.read().unwrap_or(0)
    }

    fn read(&self) -> Option<u64> {
        let mut space = [0; 512];
        let len = self.file.as_ref()?.read_at(&mut space, 0).ok()?;
        count(std::str::from_utf8(&space[..len]).ok()?)
    }
}

/// Where the count of a line of `/proc/self/cgroup` is. In a container the path may be that of the machine, and what is
/// mounted is already the container's own.
fn candidates(line: &str) -> Vec<String> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (controllers, path) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    let path = path.trim_end_matches('/');
    let (mount, name) = match controllers {
        "" => (MOUNT.to_owned(), "memory.events"),
        _ if controllers.split(',').any(|name| name == "memory") => (format!("{MOUNT}/memory"), "memory.oom_control"),
        _ => return Vec::new(),
    };
    vec![format!("{mount}{path}/{name}"), format!("{mount}/{name}")]
}

fn count(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_found_and_read() {
        assert_eq!(
            candidates("0::/system.slice/pod"),
            ["/sys/fs/cgroup/system.slice/pod/memory.events", "/sys/fs/cgroup/memory.events"]
        );
        assert_eq!(
            candidates("4:memory:/docker/1f"),
            ["/sys/fs/cgroup/memory/docker/1f/memory.oom_control", "/sys/fs/cgroup/memory/memory.oom_control"]
        );
        assert!(candidates("3:cpu,cpuacct:/").is_empty());
        assert_eq!(count("low 0\noom 3\noom_kill 2\noom_group_kill 0\n"), Some(2));
        assert_eq!(count("oom_kill_disable 0\nunder_oom 0\noom_kill 7\n"), Some(7));
        assert_eq!(count("oom_kill_disable 0\n"), None);
    }
}
