//! What the operating system tells about a place: file system, mount, device.
//!
//! | source | tells |
//! |---|---|
//! | statfs | the kind of file system, by magic number |
//! | /proc/self/mountinfo | its exact name, the mount options |
//! | /sys/dev/block/M:m | the device: RAM disk, persistent memory and its region |
//! | /sys/…/regionN/persistence_domain | what the platform drains on power loss |

use std::fs;
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::vec::Vec;

use super::plan::{Class, PlatformDomain};

/// `linux/magic.h` and, for the last lines, the file systems' own headers.
const KINDS: [(u32, &str, Class); 27] = [
    (0xEF53, "ext4", Class::Local),
    (0x5846_5342, "xfs", Class::Local),
    (0x9123_683E, "btrfs", Class::Local),
    (0x794C_7630, "overlay", Class::Local),
    (0xF2F5_2010, "f2fs", Class::Local),
    (0x2FC1_2FC1, "zfs", Class::Local),
    (0xCA45_1A4E, "bcachefs", Class::Local),
    (0x4D44, "vfat", Class::Local),
    (0x2011_BAB0, "exfat", Class::Local),
    (0x7366_746E, "ntfs3", Class::Local),
    (0x3153_464A, "jfs", Class::Local),
    (0x0102_1994, "tmpfs", Class::Memory),
    (0x8584_58F6, "ramfs", Class::Memory),
    (0x6969, "nfs", Class::Foreign),
    (0x517B, "smb", Class::Foreign),
    (0xFF53_4D42, "cifs", Class::Foreign),
    (0xFE53_4D42, "smb3", Class::Foreign),
    (0x6573_5546, "fuse", Class::Foreign),
    (0x0102_1997, "9p", Class::Foreign),
    (0x00C3_6400, "ceph", Class::Foreign),
    (0x5346_414F, "afs", Class::Foreign),
    (0x6B41_4653, "kafs", Class::Foreign),
    (0x7375_7245, "coda", Class::Foreign),
    (0x564C, "ncpfs", Class::Foreign),
    (0x0BD0_0BD0, "lustre", Class::Foreign),
    (0x786F_4256, "vboxsf", Class::Foreign),
    (0xBACB_ACBC, "vmhgfs", Class::Foreign),
];

/// The name and class of a file system by its magic number.
pub(super) fn kind_of(magic: u32) -> (&'static str, Class) {
    KINDS
        .iter()
        .find(|(known, _, _)| *known == magic)
        .map_or(("unknown", Class::Local), |(_, name, class)| (name, *class))
}

/// One line of mountinfo.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Mount {
    pub(super) point: PathBuf,
    pub(super) file_system: String,
    /// Options of the mount and of the file system, joined by commas.
    pub(super) options: String,
}

impl Mount {
    /// Whether one of the options is `name` or `name=…`; answers what stands behind the `=`.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.options.split(',').find_map(|option| {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            (key == name).then_some(value)
        })
    }
}

/// The mount that holds `path`, an absolute path without links, in the text of /proc/self/mountinfo.
pub(super) fn mount_of(mountinfo: &str, path: &Path) -> Option<Mount> {
    let mut best: Option<Mount> = None;
    for mount in mountinfo.lines().filter_map(parse_mount) {
        let deepest = best.as_ref().is_none_or(|best| {
            // A later mount on the same point hides an earlier one.
            mount.point.components().count() >= best.point.components().count()
        });
        if path.starts_with(&mount.point) && deepest {
            best = Some(mount);
        }
    }
    best
}

/// `id parent M:m root point options [optional fields] - type source super-options`
fn parse_mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(4);
    let mut right = right.split(' ');
    let point = PathBuf::from(unescape(left.next()?));
    let mount_options = left.next()?;
    let file_system = right.next()?.to_string();
    let super_options = right.nth(1).unwrap_or("");
    let mut options = mount_options.to_string();
    for option in super_options.split(',').filter(|option| !option.is_empty()) {
        if !options.split(',').any(|known| known == option) {
            options.push(',');
            options.push_str(option);
        }
    }
    Some(Mount {
        point,
        file_system,
        options,
    })
}

/// mountinfo writes blank, tab, newline and backslash as three octal digits.
fn unescape(field: &str) -> String {
    let mut plain = String::new();
    let mut rest = field;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let code = after
            .get(..3)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => {
                plain.push(char::from(code));
                rest = &after[3..];
            }
            None => {
                plain.push('\\');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// What sysfs says about a block device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Device {
    /// It is made of plain memory: brd, zram.
    pub(super) in_memory: bool,
    /// It is persistent memory.
    pub(super) persistent_memory: bool,
    /// What the platform drains on power loss, where it says.
    pub(super) platform: Option<PlatformDomain>,
}

/// How deep device mapper devices may be stacked.
const STACK_MAX: u32 = 8;

/// Looks the device with number `major:minor` up under `sysfs`, normally `/sys`.
pub(super) fn device_of(sysfs: &Path, major: u32, minor: u32) -> Device {
    let link = sysfs.join(std::format!("dev/block/{major}:{minor}"));
    match fs::canonicalize(link) {
        Ok(device) => describe(&device, STACK_MAX),
        Err(_) => Device::default(),
    }
}

fn describe(device: &Path, depth: u32) -> Device {
    let below = slaves(device);
    if !below.is_empty() && depth > 0 {
        let below: Vec<Device> = below.iter().map(|one| describe(one, depth - 1)).collect();
        return Device {
            in_memory: below.iter().any(|one| one.in_memory),
            persistent_memory: below.iter().all(|one| one.persistent_memory),
            // A stack is as good as its weakest part; a part that says nothing makes the whole say nothing.
            platform: below.iter().map(|one| one.platform).min().flatten(),
        };
    }
    let name = |path: &Path| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let is_of = |kind: &str| {
        device
            .ancestors()
            .any(|part| name(part).strip_prefix(kind).is_some_and(starts_with_digit))
    };
    let region = device.ancestors().find(|part| {
        name(part)
            .strip_prefix("region")
            .is_some_and(starts_with_digit)
    });
    Device {
        in_memory: is_of("ram") || is_of("zram"),
        persistent_memory: region.is_some() || is_of("pmem"),
        platform: region.and_then(platform_domain),
    }
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit())
}

/// The devices that a device mapper or RAID device is made of.
fn slaves(device: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(device.join("slaves")) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| fs::canonicalize(entry.ok()?.path()).ok())
        .collect()
}

fn platform_domain(region: &Path) -> Option<PlatformDomain> {
    let text = fs::read_to_string(region.join("persistence_domain")).ok()?;
    match text.trim() {
        "cpu_cache" => Some(PlatformDomain::CpuCache),
        "memory_controller" => Some(PlatformDomain::MemoryController),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
27 1 254:0 / / rw,relatime - ext4 /dev/root rw,errors=remount-ro
25 24 0:23 / /dev/shm rw,nosuid shared:3 - tmpfs tmpfs rw,size=1024k
40 27 259:0 / /mnt/pm\\040em rw,relatime - ext4 /dev/pmem0 rw,dax=always
41 27 0:40 / /mnt/pm\\040em/in rw - fuse.sshfs host: rw
42 27 0:41 / /mnt/pm\\040em/in ro - xfs /dev/sdb rw
";

    #[test]
    fn the_deepest_and_latest_mount_holds_a_path() {
        let name = |path: &str| mount_of(MOUNTS, Path::new(path)).expect("root is mounted");
        assert_eq!(name("/home/x").file_system, "ext4");
        assert_eq!(name("/dev/shm/p").file_system, "tmpfs");
        assert_eq!(name("/mnt/pm em/pool").option("dax"), Some("always"));
        assert_eq!(name("/mnt/pm em/in/pool").file_system, "xfs");
        assert_eq!(name("/mnt/pm em2").file_system, "ext4");
        assert_eq!(name("/mnt/pm em2").option("dax"), None);
        assert_eq!(mount_of("garbage\n - \n", Path::new("/")), None);
    }

    #[test]
    fn every_magic_number_stands_for_one_kind() {
        for (at, (magic, name, _)) in KINDS.iter().enumerate() {
            assert!(
                !KINDS[..at].iter().any(|(other, _, _)| other == magic),
                "{name}"
            );
        }
        assert_eq!(kind_of(0x0102_1994), ("tmpfs", Class::Memory));
        assert_eq!(kind_of(1), ("unknown", Class::Local));
    }

    /// A sysfs with pmem0 on region0, pmem1 on region1, a RAM disk, and device mapper over both pmems.
    fn sysfs(domains: [Option<&str>; 2]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("temporary directory");
        let sys = root.path();
        let make = |path: &str| fs::create_dir_all(sys.join(path)).expect("made");
        make("dev/block");
        make("devices/virtual/block/dm-0/slaves");
        make("devices/virtual/block/ram0");
        let link = |to: String, at: &str| {
            std::os::unix::fs::symlink(sys.join(to), sys.join(at)).expect("linked");
        };
        for (number, domain) in domains.iter().enumerate() {
            let region = std::format!("devices/ndbus0/region{number}");
            let block = std::format!("{region}/namespace{number}.0/block/pmem{number}");
            make(&block);
            if let Some(domain) = domain {
                fs::write(sys.join(region).join("persistence_domain"), domain).expect("written");
            }
            link(block.clone(), &std::format!("dev/block/259:{number}"));
            link(
                block,
                &std::format!("devices/virtual/block/dm-0/slaves/pmem{number}"),
            );
        }
        link("devices/virtual/block/dm-0".into(), "dev/block/253:0");
        link("devices/virtual/block/ram0".into(), "dev/block/1:0");
        root
    }

    #[test]
    fn a21_the_platform_domain_is_that_of_the_region_behind_the_device() {
        let root = sysfs([Some("cpu_cache\n"), Some("memory_controller\n")]);
        let device = |major, minor| device_of(root.path(), major, minor);
        assert_eq!(device(259, 0).platform, Some(PlatformDomain::CpuCache));
        assert_eq!(
            device(259, 1).platform,
            Some(PlatformDomain::MemoryController)
        );
        assert_eq!(
            device(253, 0),
            Device {
                in_memory: false,
                persistent_memory: true,
                platform: Some(PlatformDomain::MemoryController),
            },
            "a stack is as good as its weakest part"
        );
        assert!(device(1, 0).in_memory);
        assert_eq!(device(8, 0), Device::default());
    }

    #[test]
    fn a_region_that_says_nothing_leaves_a_stack_without_a_domain() {
        let root = sysfs([Some("cpu_cache\n"), None]);
        assert_eq!(device_of(root.path(), 253, 0).platform, None);
        assert!(device_of(root.path(), 259, 1).persistent_memory);
    }
}
