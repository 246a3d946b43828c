//! What kind of machine it is: facts that a result needs beside it to be compared with others.

use nix::sys::utsname::uname;

use super::{field, read};

/// Facts about the machine. `None` where the kernel does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Release of the kernel, as in `uname -r`.
    pub kernel: String,
    /// The processor's name; on architectures without one, its vendor's part number.
    pub cpu_model: Option<String>,
    /// Cores that are online, whether this process may use them or not.
    pub cores: usize,
    /// The kernel's source of time; anything but `tsc` (or `arch_sys_counter`) makes reading the
    /// clock a system call.
    pub clocksource: Option<String>,
    /// TCP congestion control that new sockets get (net.ipv4.tcp_congestion_control).
    pub congestion_control: Option<String>,
    /// The container engine that seems to be around this process.
    pub container: Option<String>,
}

/// Collects the facts.
pub fn facts() -> Facts {
    let trimmed = |path| read(path).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    Facts {
        kernel: uname().map(|name| name.release().to_string_lossy().into_owned()).unwrap_or_default(),
        cpu_model: read("/proc/cpuinfo").and_then(|text| parse_cpu_model(&text)),
        cores: read("/sys/devices/system/cpu/online")
            .and_then(|text| super::parse_core_list(&text).ok())
            .map_or_else(|| super::usable_cores().mask.len(), |cores| cores.len()),
        clocksource: trimmed("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        congestion_control: trimmed("/proc/sys/net/ipv4/tcp_congestion_control"),
        container: container(),
    }
}

/// x86 has `model name`; most arm64 kernels only `CPU implementer` and `CPU part`.
fn parse_cpu_model(cpuinfo: &str) -> Option<String> {
    if let Some(name) = field(cpuinfo, "model name").filter(|name| !name.is_empty()) {
        return Some(name.to_owned());
    }
    let (vendor, part) = (field(cpuinfo, "CPU implementer")?, field(cpuinfo, "CPU part")?);
    Some(format!("implementer {vendor} part {part}"))
}

/// Marks that the engines leave; a hint, not a proof.
fn container() -> Option<String> {
    for (path, engine) in [
        ("/.dockerenv", "docker"),
        ("/run/.containerenv", "podman"),
        ("/var/run/secrets/kubernetes.io", "kubernetes"),
    ] {
        if std::path::Path::new(path).exists() {
            return Some(engine.to_owned());
        }
    }
    parse_container(&read("/proc/1/cgroup")?)
}

fn parse_container(cgroup_of_init: &str) -> Option<String> {
    ["kubepods", "docker", "libpod", "containerd", "lxc"]
        .into_iter()
        .find(|engine| cgroup_of_init.contains(engine))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_have_names() {
        let x86 = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R) @ 2GHz\n";
        assert_eq!(parse_cpu_model(x86).as_deref(), Some("Intel(R) Xeon(R) @ 2GHz"));
        let arm = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd40\n";
        assert_eq!(parse_cpu_model(arm).as_deref(), Some("implementer 0x41 part 0xd40"));
        assert_eq!(parse_cpu_model("processor\t: 0\n"), None);
    }

    #[test]
    fn engines_are_recognised_by_the_group_of_init() {
        assert_eq!(parse_container("0::/docker/0123abc\n").as_deref(), Some("docker"));
        assert_eq!(parse_container("5:cpu:/kubepods/burstable/pod1\n").as_deref(), Some("kubepods"));
        assert_eq!(parse_container("0::/init.scope\n"), None);
    }

    #[test]
    fn this_machine_has_a_kernel_and_a_core() {
        let facts = facts();
        assert!(facts.kernel.starts_with(|c: char| c.is_ascii_digit()));
        assert!(facts.cores >= 1);
    }
}
