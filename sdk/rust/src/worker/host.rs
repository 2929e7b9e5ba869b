//! What the host of a worker is doing: its processors and memory, and the limits of the control group (v2) that the worker is
//! in. Linux alone tells; elsewhere there is no reading, and slots stay as they are.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::time::Instant;

use super::tuner::Usage;

/// Reads the host once in a while; what the processors did is told between two readings.
#[derive(Debug)]
pub(crate) struct Host {
    root: PathBuf,
    last: Option<Reading>,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Instant,
    times: Times,
    /// Microseconds of processor time of the control group.
    group_us: Option<u64>,
}

/// Of all processors since the start, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    busy: u64,
    all: u64,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self::below(Path::new("/"))
    }

    fn below(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            last: None,
        }
    }

    /// What the host did since the reading before; none the first time, and where it cannot be read.
    pub(crate) fn usage(&mut self, now: Instant) -> Option<Usage> {
        let group = self.group();
        let of_group = |file: &str| fs::read_to_string(group.as_ref()?.join(file)).ok();
        let reading = Reading {
            at: now,
            times: times(&self.text("proc/stat")?)?,
            group_us: of_group("cpu.stat").and_then(|text| field(&text, "usage_usec")),
        };
        let last = self.last.replace(reading)?;
        let host = share(
            reading.times.busy.saturating_sub(last.times.busy),
            reading.times.all.saturating_sub(last.times.all),
        );
        let limit = of_group("cpu.max").and_then(|text| processors(&text));
        let took_us = (reading.at - last.at).as_secs_f64() * 1e6;
        let group_cpu = limit
            .zip(reading.group_us.zip(last.group_us))
            .map(|(limit, (after, before))| wide(after.saturating_sub(before)) / took_us / limit);
        let cache = of_group("memory.stat").and_then(|text| field(&text, "inactive_file"));
        let group_memory = of_group("memory.max")
            .zip(of_group("memory.current"))
            .and_then(|(max, current)| used(&max, &current, cache.unwrap_or(0)));
        Some(Usage {
            cpu: host.max(group_cpu.unwrap_or(0.0)),
            memory: memory(&self.text("proc/meminfo")?)?.max(group_memory.unwrap_or(0.0)),
        })
    }

    /// The folder of the control group that this process is in.
    fn group(&self) -> Option<PathBuf> {
        let text = self.text("proc/self/cgroup")?;
        let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
        let folder = self.root.join("sys/fs/cgroup");
        let own = folder.join(path.trim_start_matches('/'));
        // In a container the path may be that of the host, while the container sees its own group at the root.
        Some(if own.join("cpu.stat").exists() {
            own
        } else {
            folder
        })
    }

    fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok()
    }
}

/// The first line of `/proc/stat`.
fn times(stat: &str) -> Option<Times> {
    let ticks = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = ticks
        .split_whitespace()
        .map_while(|tick| tick.parse().ok())
        .collect();
    // user nice system idle iowait irq softirq steal; guests are in user and nice.
    let all: u64 = ticks.iter().take(8).sum();
    let idle: u64 = ticks.get(3)? + ticks.get(4).copied().unwrap_or(0);
    Some(Times {
        busy: all.saturating_sub(idle),
        all,
    })
}

/// The share of memory that is not available, of `/proc/meminfo`.
fn memory(meminfo: &str) -> Option<f64> {
    let total = field(meminfo, "MemTotal:")?;
    let available = field(meminfo, "MemAvailable:")?;
    Some(share(total.saturating_sub(available), total))
}

/// Processors that `cpu.max` allows; none without a limit.
fn processors(max: &str) -> Option<f64> {
    let (quota, period) = max.trim().split_once(' ')?;
    let (quota, period): (u64, u64) = (quota.parse().ok()?, period.parse().ok()?);
    (quota > 0 && period > 0).then(|| wide(quota) / wide(period))
}

/// The share of the group's memory that is in use, what can be dropped left out; none without a limit.
fn used(max: &str, current: &str, cache: u64) -> Option<f64> {
    let max: u64 = max.trim().parse().ok()?;
    let current: u64 = current.trim().parse().ok()?;
    Some(share(current.saturating_sub(cache), max))
}

/// The number behind a name at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn share(part: u64, all: u64) -> f64 {
    if all == 0 {
        0.0
    } else {
        wide(part) / wide(all)
    }
}

#[expect(clippy::cast_precision_loss, reason = "shares need no exact numbers")]
fn wide(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn near(found: Option<f64>, expect: f64) -> bool {
        found.is_some_and(|found| (found - expect).abs() < 1e-9)
    }

    #[test]
    fn files_of_the_system_are_read() {
        let stat = "cpu  100 20 30 800 50 0 0 0 7 0\ncpu0 1 2 3\n";
        let expect = Times {
            busy: 150,
            all: 1000,
        };
        assert_eq!(times(stat), Some(expect));
        assert_eq!(times("intr 1"), None);
        let meminfo = "MemTotal:  1000 kB\nMemFree: 10 kB\nMemAvailable:   250 kB\n";
        assert!(near(memory(meminfo), 0.75));
        assert!(near(processors("150000 100000\n"), 1.5));
        assert_eq!(processors("max 100000\n"), None);
        assert!(near(used("1000\n", "700\n", 200), 0.5));
        assert_eq!(used("max\n", "700\n", 200), None);
        assert_eq!(
            field("usage_usec 17\nuser_usec 3\n", "usage_usec"),
            Some(17)
        );
    }

    #[test]
    fn a_host_is_what_its_processors_and_its_group_say() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("proc/stat", "cpu 0 0 0 0 0\n");
        write("proc/meminfo", "MemTotal: 100 kB\nMemAvailable: 70 kB\n");
        write("proc/self/cgroup", "0::/render\n");
        let mut host = Host::below(root.path());
        let begun = Instant::now();
        assert_eq!(host.usage(begun), None, "the first reading tells nothing");
        write("proc/stat", "cpu 30 0 0 70 0\n");
        let usage = host.usage(begun + Duration::from_secs(1)).unwrap();
        assert!(
            near(Some(usage.cpu), 0.3) && near(Some(usage.memory), 0.3),
            "{usage:?}"
        );
        // A group of half a processor that uses a quarter of one, and most of its memory.
        write("sys/fs/cgroup/render/cpu.max", "50000 100000\n");
        write("sys/fs/cgroup/render/cpu.stat", "usage_usec 1000000\n");
        write("sys/fs/cgroup/render/memory.max", "1000\n");
        write("sys/fs/cgroup/render/memory.current", "900\n");
        write("sys/fs/cgroup/render/memory.stat", "inactive_file 100\n");
        host.usage(begun + Duration::from_secs(2)).unwrap();
        write("sys/fs/cgroup/render/cpu.stat", "usage_usec 1250000\n");
        let usage = host.usage(begun + Duration::from_secs(3)).unwrap();
        assert!(
            near(Some(usage.cpu), 0.5) && near(Some(usage.memory), 0.8),
            "{usage:?}"
        );
    }
}
