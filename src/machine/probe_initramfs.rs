//! The smallest initramfs that proves a guest runs processes: one file, `/init`, that prints a line and waits.
//! Pure.

/// What the guest's only process prints.
pub const MARKER: &str = "bellwether: a process runs in this guest";

const LOADED_AT: u64 = 0x40_0000;
const HEADERS: u64 = 64 + 56;

/// The archive, in cpio's `newc` form.
#[must_use]
pub fn archive() -> Vec<u8> {
    let mut bytes = Vec::new();
    member(&mut bytes, "init", 0o100_755, &init());
    member(&mut bytes, "TRAILER!!!", 0, &[]);
    bytes
}

fn member(bytes: &mut Vec<u8>, name: &str, mode: u32, contents: &[u8]) {
    let name_size = name.len() + 1;
    // inode, mode, uid, gid, links, time, size, device and special numbers, name size, check.
    let fields = [
        1,
        mode as usize,
        0,
        0,
        1,
        0,
        contents.len(),
        0,
        0,
        0,
        0,
        name_size,
        0,
    ];
    bytes.extend_from_slice(b"070701");
    for field in fields {
        bytes.extend_from_slice(format!("{field:08X}").as_bytes());
    }
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(0);
    pad(bytes);
    bytes.extend_from_slice(contents);
    pad(bytes);
}

fn pad(bytes: &mut Vec<u8>) {
    while !bytes.len().is_multiple_of(4) {
        bytes.push(0);
    }
}

/// A static x86-64 program: `write(1, marker)`, then `pause` for ever.
fn init() -> Vec<u8> {
    let text = format!("{MARKER}\n");
    let mut code = vec![0xb8, 1, 0, 0, 0]; // mov eax, 1 (write)
    code.extend([0xbf, 1, 0, 0, 0]); // mov edi, 1
    code.extend([0x48, 0x8d, 0x35]); // lea rsi, [rip + distance]
    let after = code.len() + 4;
    let rest: [u8; 16] = {
        let length = u32::try_from(text.len()).unwrap_or(0).to_le_bytes();
        let [a, b, c, d] = length;
        [
            0xba, a, b, c, d, // mov edx, length
            0x0f, 0x05, // syscall
            0xb8, 34, 0, 0, 0, // mov eax, 34 (pause)
            0x0f, 0x05, // syscall
            0xeb, 0xf7, // back to the mov
        ]
    };
    let distance = u32::try_from(rest.len()).unwrap_or(0);
    code.extend(distance.to_le_bytes());
    debug_assert_eq!(code.len(), after);
    code.extend(rest);
    code.extend(text.as_bytes());

    let size = HEADERS + code.len() as u64;
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0];
    file.extend([0; 8]);
    file.extend(2_u16.to_le_bytes()); // executable
    file.extend(62_u16.to_le_bytes()); // x86-64
    file.extend(1_u32.to_le_bytes());
    file.extend((LOADED_AT + HEADERS).to_le_bytes()); // entry
    file.extend(64_u64.to_le_bytes()); // program headers
    file.extend(0_u64.to_le_bytes()); // no section headers
    file.extend(0_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 0, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    file.extend(1_u32.to_le_bytes()); // load
    file.extend(5_u32.to_le_bytes()); // readable, executable
    for word in [0, LOADED_AT, LOADED_AT, size, size, 0x1000] {
        file.extend(word.to_le_bytes());
    }
    file.extend(code);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_runs() {
        // It never ends by itself, so it runs under timeout(1).
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("init");
        fs_err::write(&path, init()).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs_err::set_permissions(&path, mode).unwrap();
        let output = std::process::Command::new("timeout")
            .arg("0.3")
            .arg(&path)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), MARKER);
    }

    #[test]
    fn the_archive_is_newc() {
        let bytes = archive();
        assert!(bytes.starts_with(b"070701"));
        assert!(bytes.len().is_multiple_of(4));
        let end = String::from_utf8_lossy(&bytes[bytes.len() - 16..]).into_owned();
        assert!(end.contains("TRAILER!!!"), "{end}");
    }
}
