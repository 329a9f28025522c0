//! Files, disks and file systems.

use ignition_config::v3_3::{Disk, File, Filesystem, Luks, Raid, Storage};

use super::{Problem, Problems, check_resource, each, unique};

pub(super) fn check(storage: &Storage, problems: &mut Problems) {
    let files = || each("storage.files", storage.files.as_deref());
    let directories = || each("storage.directories", storage.directories.as_deref());
    let links = || each("storage.links", storage.links.as_deref());
    let nodes = files()
        .map(|(at, file)| (at, file.path.clone()))
        .chain(directories().map(|(at, directory)| (at, directory.path.clone())))
        .chain(links().map(|(at, link)| (at, link.path.clone())))
        .map(|(at, path)| (format!("{at}.path"), path));
    let nodes: Vec<_> = nodes.collect();
    for (at, path) in &nodes {
        check_path(at, path, problems);
    }
    unique(nodes.into_iter(), problems);
    for (at, file) in files() {
        check_file(&at, file, problems);
    }
    for (at, directory) in directories() {
        check_mode(&at, directory.mode, problems);
    }
    for (at, link) in links() {
        if link.target.as_deref().unwrap_or_default().is_empty() {
            problems.push(Problem::error(
                format!("{at}.target"),
                "a link needs a target",
            ));
        }
    }
    let disks = each("storage.disks", storage.disks.as_deref()).collect::<Vec<_>>();
    let filesystems =
        each("storage.filesystems", storage.filesystems.as_deref()).collect::<Vec<_>>();
    unique(
        disks
            .iter()
            .map(|(at, disk)| (format!("{at}.device"), disk.device.clone())),
        problems,
    );
    unique(
        filesystems
            .iter()
            .map(|(at, fs)| (format!("{at}.device"), fs.device.clone())),
        problems,
    );
    for (at, disk) in disks {
        check_disk(&at, disk, problems);
    }
    for (at, filesystem) in filesystems {
        check_filesystem(&at, filesystem, problems);
    }
    for (at, raid) in each("storage.raid", storage.raid.as_deref()) {
        check_raid(&at, raid, problems);
    }
    for (at, luks) in each("storage.luks", storage.luks.as_deref()) {
        check_luks(&at, luks, problems);
    }
}

fn check_file(at: &str, file: &File, problems: &mut Problems) {
    check_mode(at, file.mode, problems);
    if file
        .user
        .as_ref()
        .is_some_and(|user| user.id.is_some() && user.name.is_some())
    {
        problems.push(Problem::error(
            format!("{at}.user"),
            "an owner is an id or a name, not both",
        ));
    }
    if file
        .group
        .as_ref()
        .is_some_and(|group| group.id.is_some() && group.name.is_some())
    {
        problems.push(Problem::error(
            format!("{at}.group"),
            "a group is an id or a name, not both",
        ));
    }
    let source = file
        .contents
        .as_ref()
        .and_then(|contents| contents.source.as_ref());
    if file.overwrite == Some(true) && source.is_none() {
        problems.push(Problem::error(
            format!("{at}.overwrite"),
            "a file that overwrites needs contents.source",
        ));
    }
    if file.overwrite != Some(true)
        && source.is_some()
        && file.append.as_ref().is_some_and(|list| !list.is_empty())
    {
        problems.push(Problem::warning(
            format!("{at}.append"),
            "it has contents and appends to them",
        ));
    }
    if let Some(contents) = &file.contents {
        check_resource(&format!("{at}.contents"), contents, problems);
    }
    for (at, resource) in each(&format!("{at}.append"), file.append.as_deref()) {
        check_resource(&at, resource, problems);
    }
}

fn check_disk(at: &str, disk: &Disk, problems: &mut Problems) {
    check_path(&format!("{at}.device"), &disk.device, problems);
    let partitions =
        || each(&format!("{at}.partitions"), disk.partitions.as_deref()).collect::<Vec<_>>();
    let numbers = partitions().into_iter().filter_map(|(at, p)| {
        p.number
            .filter(|n| *n != 0)
            .map(|n| (format!("{at}.number"), n.to_string()))
    });
    unique(numbers, problems);
    let labels = partitions()
        .into_iter()
        .filter_map(|(at, p)| p.label.clone().map(|label| (format!("{at}.label"), label)));
    unique(labels, problems);
    for (at, partition) in partitions() {
        let label = partition.label.as_deref().unwrap_or_default();
        let number = partition.number.unwrap_or_default();
        if label.is_empty() && number == 0 {
            problems.push(Problem::error(
                at.clone(),
                "a partition needs a number or a label",
            ));
        }
        if number < 0 {
            problems.push(Problem::error(
                format!("{at}.number"),
                "a partition's number is positive",
            ));
        }
        if label.chars().count() > 36 {
            problems.push(Problem::error(
                format!("{at}.label"),
                "a partition's label has at most 36 characters",
            ));
        }
        if label.contains(':') {
            problems.push(Problem::warning(
                format!("{at}.label"),
                "a partition's label ends before its colon",
            ));
        }
        if partition.size_mib.is_some_and(|n| n < 0) || partition.start_mib.is_some_and(|n| n < 0) {
            problems.push(Problem::error(
                at,
                "a partition's start and size are not negative",
            ));
        }
    }
}

fn check_filesystem(at: &str, filesystem: &Filesystem, problems: &mut Problems) {
    check_path(&format!("{at}.device"), &filesystem.device, problems);
    if let Some(path) = filesystem.path.as_deref().filter(|path| !path.is_empty()) {
        check_path(&format!("{at}.path"), path, problems);
    }
    let label = filesystem.label.as_deref().unwrap_or_default();
    let longest = match filesystem.format.as_deref() {
        Some("ext4") => 16,
        Some("btrfs") => 256,
        Some("xfs") => 12,
        Some("swap") => 15,
        Some("vfat") => 11,
        Some("none") => usize::MAX,
        None | Some("") => {
            if !label.is_empty()
                || filesystem.path.is_some()
                || filesystem.uuid.is_some()
                || filesystem.options.is_some()
            {
                problems.push(Problem::error(
                    format!("{at}.format"),
                    "path, label, uuid and options need a format",
                ));
            }
            usize::MAX
        }
        Some(other) => {
            problems.push(
                Problem::error(
                    format!("{at}.format"),
                    format!("`{other}` is no file system that Ignition makes"),
                )
                .hint("it is ext4, btrfs, xfs, vfat, swap or none"),
            );
            usize::MAX
        }
    };
    if label.chars().count() > longest {
        problems.push(Problem::error(
            format!("{at}.label"),
            format!("its label has at most {longest} characters"),
        ));
    }
}

fn check_raid(at: &str, raid: &Raid, problems: &mut Problems) {
    let level = raid.level.as_deref().unwrap_or_default();
    const LEVELS: [&str; 14] = [
        "linear", "raid0", "0", "stripe", "raid1", "1", "mirror", "raid4", "raid5", "5", "raid6",
        "6", "raid10", "10",
    ];
    if level != "4" && !LEVELS.contains(&level) {
        problems.push(Problem::error(
            format!("{at}.level"),
            format!("`{level}` is no RAID level"),
        ));
    }
    if raid.devices.as_ref().is_none_or(Vec::is_empty) {
        problems.push(Problem::error(
            format!("{at}.devices"),
            "an array needs devices",
        ));
    }
    for (at, device) in each(&format!("{at}.devices"), raid.devices.as_deref()) {
        check_path(&at, device, problems);
    }
}

fn check_luks(at: &str, luks: &Luks, problems: &mut Problems) {
    if luks.name.contains('/') {
        problems.push(Problem::error(
            format!("{at}.name"),
            "a volume's name has no slash",
        ));
    }
    check_path(
        &format!("{at}.device"),
        luks.device.as_deref().unwrap_or_default(),
        problems,
    );
    if let Some(key) = &luks.key_file {
        check_resource(&format!("{at}.keyFile"), key, problems);
    }
}

fn check_mode(at: &str, mode: Option<i64>, problems: &mut Problems) {
    let at = format!("{at}.mode");
    match mode {
        Some(mode) if !(0..=0o7777).contains(&mode) => problems.push(
            Problem::error(at, format!("{mode} is no file mode"))
                .hint("JSON has no octal numbers: 0644 is 420, 0755 is 493"),
        ),
        // 644 and the like: octal digits written as a decimal number.
        Some(mode @ (400 | 440 | 444 | 600 | 640 | 644 | 664 | 700 | 750 | 755 | 775 | 777)) => {
            problems.push(
                Problem::warning(at, format!("{mode} is decimal and means {mode:#o}"))
                    .hint("JSON has no octal numbers: 0644 is 420, 0755 is 493"),
            )
        }
        _ => {}
    }
}

fn check_path(at: &str, path: &str, problems: &mut Problems) {
    let parts = path.split('/').skip(1).collect::<Vec<_>>();
    if path.is_empty() {
        problems.push(Problem::error(at, "a path is missing"));
    } else if !path.starts_with('/') {
        problems.push(Problem::error(at, format!("`{path}` is not absolute")));
    } else if path != "/" && parts.iter().any(|part| ["", ".", ".."].contains(part)) {
        problems.push(Problem::error(
            at,
            format!("`{path}` is not written in its shortest form"),
        ));
    }
}
