//! Metrics of the manager's own process from `/proc`, under the standard names of Prometheus.

use std::fs;

use prometheus::{Error, IntCounter, IntGauge};
use rustix::{
    param::{clock_ticks_per_second, page_size},
    process::{Resource, getrlimit},
};

use super::factory::{MetricFactory, signed};

#[derive(Debug)]
pub(super) struct Process {
    cpu: IntCounter,
    open_files: IntGauge,
    max_files: IntGauge,
    virtual_memory: IntGauge,
    memory: IntGauge,
    threads: IntGauge,
}

impl Process {
    pub(super) fn new(factory: &MetricFactory) -> Result<Self, Error> {
        let start =
            factory.gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.")?;
        if let (Some(boot), Some(stat)) = (boot_time(), Stat::read()) {
            start.set(boot.saturating_add(stat.start_ticks / ticks()));
        }
        Ok(Self {
            cpu: factory.counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.")?,
            open_files: factory.gauge("process_open_fds", "Number of open file descriptors.")?,
            max_files: factory.gauge("process_max_fds", "Maximum number of open file descriptors.")?,
            virtual_memory: factory.gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.")?,
            memory: factory.gauge("process_resident_memory_bytes", "Resident memory size in bytes.")?,
            threads: factory.gauge("process_threads", "Number of OS threads in the process.")?,
        })
    }

    /// Reads the current values.
    pub(super) fn refresh(&self) {
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            // One of them is the descriptor of this listing itself.
            self.open_files.set(signed(files.count().saturating_sub(1) as u64));
        }
        if let Some(max) = getrlimit(Resource::Nofile).current {
            self.max_files.set(signed(max));
        }
        if let Some(stat) = Stat::read() {
            let spent = u64::try_from(stat.cpu_ticks / ticks()).unwrap_or(0);
            self.cpu.inc_by(spent.saturating_sub(self.cpu.get()));
            self.virtual_memory.set(stat.virtual_bytes);
            self.memory.set(stat.pages.saturating_mul(signed(page_size() as u64)));
            self.threads.set(stat.threads);
        }
    }
}

fn ticks() -> i64 {
    signed(clock_ticks_per_second()).max(1)
}

/// When the machine started, in seconds since the epoch.
fn boot_time() -> Option<i64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// A line of `/proc/PID/stat`, as proc_pid_stat(5) tells of it.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: i64,
    threads: i64,
    start_ticks: i64,
    virtual_bytes: i64,
    pages: i64,
}

impl Stat {
    fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/self/stat").ok()?)
    }

    fn parse(line: &str) -> Option<Self> {
        // The second field is the name of the program, in brackets, and may hold anything.
        let (_, rest) = line.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<i64>().ok();
        Some(Self {
            cpu_ticks: field(14)?.saturating_add(field(15)?),
            threads: field(20)?,
            start_ticks: field(22)?,
            virtual_bytes: field(23)?,
            pages: field(24)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_system_is_read_whatever_the_program_is_called() {
        let line =
            "41 (a) b (c) S 1 41 41 0 -1 4194560 9 0 0 0 70 30 5 5 20 0 6 0 1234 8192000 250 18446744073709551615 1";
        let expected = Stat { cpu_ticks: 100, threads: 6, start_ticks: 1234, virtual_bytes: 8_192_000, pages: 250 };
        assert_eq!(Stat::parse(line), Some(expected));
        assert_eq!(Stat::parse("41 (a) S 1"), None);
    }

    #[test]
    fn the_process_itself_is_told_of() {
        let factory = MetricFactory::default();
        let process = Process::new(&factory).unwrap();
        process.refresh();
        assert!(process.memory.get() > 0 && process.virtual_memory.get() > process.memory.get());
        assert!(process.threads.get() > 0 && process.open_files.get() > 2);
        assert!(process.max_files.get() >= process.open_files.get());
        let names: Vec<String> = factory.registry.gather().iter().map(|family| family.name().to_owned()).collect();
        assert_eq!(
            names,
            [
                "process_cpu_seconds_total",
                "process_max_fds",
                "process_open_fds",
                "process_resident_memory_bytes",
                "process_start_time_seconds",
                "process_threads",
                "process_virtual_memory_bytes",
            ]
        );
        let start = factory.registry.gather().into_iter().find(|family| family.name() == "process_start_time_seconds");
        let started = start.unwrap().get_metric()[0].get_gauge().get_value();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!((now - 3600.0..=now + 2.0).contains(&started), "{started} {now}");
    }
}
