use proptest::prelude::*;

use super::*;

/// Logs written by go 1.26, gcc 12, make 4.3 and cargo 1.95.
macro_rules! log {
    ($name:literal) => {
        include_str!(concat!(
            "../../../tests/fixtures/build/logs/",
            $name,
            ".log"
        ))
    };
}

fn found(log: &str) -> (u64, String, Origin) {
    let line = first_error(log, 0).unwrap();
    (line.line, line.text, line.origin)
}

#[test]
fn compilers_first_errors_are_found() {
    let code = |line, text: &str| (line, text.to_owned(), Origin::Code);
    assert_eq!(
        found(log!("go-compile")),
        code(2, "pkg/run.go:4:6: declared and not used: unused")
    );
    let gcc = ":4:11: error: 'nosuch' undeclared (first use in this function)";
    assert_eq!(found(log!("gcc")), code(5, &format!("c/pause.c{gcc}")));
    assert_eq!(found(log!("make-gcc")), code(7, &format!("pause.c{gcc}")));
    let make = "make: *** No rule to make target 'nosuchfile.c', needed by 'all'.  Stop.";
    assert_eq!(found(log!("make-no-rule")), code(2, make));
    let rust = "error[E0425]: cannot find value `missing` in this scope (src/main.rs:3:9)";
    assert_eq!(found(log!("cargo")), code(2, rust));
}

#[test]
fn what_is_wrong_with_the_host_does_not_blame_the_code() {
    let (line, text, origin) = found(log!("go-network"));
    assert_eq!((line, origin), (2, Origin::Host));
    assert!(text.contains("connection refused"), "{text}");
    let (line, text, origin) = found(log!("go-link"));
    assert_eq!((line, origin), (4, Origin::Host));
    assert_eq!(
        text,
        "/usr/bin/ld: cannot find -lnosuchlibrary: No such file or directory"
    );
    let (_, text, origin) = found(log!("go-too-old"));
    assert_eq!(origin, Origin::Host);
    assert!(text.contains("requires go >= 1.99"), "{text}");
    let (line, text, origin) = found(log!("mmdebstrap"));
    assert_eq!((line, origin), (12, Origin::Host), "{text}");
    assert!(text.ends_with("(111: Connection refused)"), "{text}");
    for line in [
        "write /scratch/out: no space left on device",
        "k8s.io/api/core/v1: /usr/local/go/pkg/tool/linux_amd64/compile: signal: killed",
        "make: *** [Makefile:4: binaries] Killed",
        "Killed",
        "fatal error: runtime: out of memory",
    ] {
        assert_eq!(found(line).2, Origin::Host, "{line}");
    }
    let seccomp = first_error(
        "Package libseccomp was not found in the pkg-config search path.\n",
        0,
    )
    .unwrap();
    assert_eq!(
        seccomp.hint.as_deref(),
        Some("apt-get install libseccomp-dev")
    );
    let header = first_error(
        "main.c:3:10: fatal error: seccomp.h: No such file or directory\n",
        0,
    )
    .unwrap();
    assert_eq!(
        (header.origin, header.hint.as_deref()),
        (Origin::Host, Some("apt-get install libseccomp-dev"))
    );
}

#[test]
fn missing_programs_are_named() {
    let tool = |log: &str| first_error(log, 0).unwrap().missing_tool;
    assert_eq!(tool(log!("make-no-tool")).as_deref(), Some("nosuchtool"));
    assert_eq!(
        tool(log!("make-no-tool-shell")).as_deref(),
        Some("nosuchtool2")
    );
    assert_eq!(tool(log!("go-no-cc")).as_deref(), Some("gcc-nosuch"));
    assert_eq!(
        tool("hack/x.sh: line 12: rsync: command not found\nmake: *** [all] Error 1\n").as_deref(),
        Some("rsync")
    );
    assert_eq!(
        tool("Can't find 'go' in PATH, please fix and retry.\n").as_deref(),
        Some("go")
    );
    assert_eq!(
        tool("/usr/bin/env: 'bash': No such file or directory\n").as_deref(),
        Some("bash")
    );
}

#[test]
fn a_compilers_error_outranks_a_missing_optional_tool_and_makes_summary() {
    let log = "sh: 1: git: not found\nmake[1]: *** [x] Error 2\ncmd/a/main.go:3:1: syntax error: non-declaration statement outside function body\n";
    assert_eq!(found(log).0, 3);
    let log = "make[1]: *** [Makefile:9: sub] Error 1\nmake: *** [Makefile:4: all] Error 2\n";
    assert_eq!(found(log).0, 1);
}

#[test]
fn a_script_that_no_shell_can_read_is_the_error() {
    for line in [
        "hack/build.sh: 12: Syntax error: end of file unexpected (expecting \"fi\")",
        "hack/build.sh: line 12: syntax error near unexpected token `done'",
        "hack/build.sh: line 13: syntax error: unexpected end of file",
    ] {
        let log = format!("sh -n hack/build.sh\n{line}\nmake: *** [Makefile:4: all] Error 2\n");
        assert_eq!(found(&log), (2, line.to_owned(), Origin::Code));
    }
}

#[test]
fn near_misses_are_not_errors() {
    for line in [
        "pkg/run.go:4:6: warning: something is odd",
        "c/pause.c:2:2: warning: #warning \"error: just so\" [-Wcpp]",
        "go: downloading k8s.io/api v0.36.3",
        "go: finding module for package example.org/error",
        "go build -ldflags '-X main.error=no space left on device' ./...",
        "gcc -Werror -o errors.o errors.c",
        "ok  \tk8s.io/kubernetes/pkg/error.go\t0.1s",
        "\t/src/pkg/run.go:12 +0x1d",
        "+++ [1120 13:00:00] Building go targets for linux/amd64",
        "fatal: not a git repository (or any of the parent directories): .git",
        "make: Entering directory '/src/error'",
        "/usr/bin/ld: warning: x.o: missing .note.GNU-stack section",
        "there were 0 errors",
        "E1120 13:00:00.000000 1 test.go:1] an error of the suite's own",
        "",
    ] {
        assert_eq!(first_error(line, 0), None, "{line}");
    }
    // A header that is not a system library's is the tree's own.
    assert_eq!(
        found("a.c:1:10: fatal error: generated.h: No such file or directory").2,
        Origin::Code
    );
    assert_eq!(found("x.go:3:1: undefined: Killed").2, Origin::Code);
}

#[test]
fn earlier_commands_do_not_count_but_their_lines_do() {
    let first = "a.go:1:1: from a command that ended well\n";
    let log = format!("{first}b.go:2:2: the real one\n");
    let line = first_error(&log, first.len()).unwrap();
    assert_eq!(
        (line.line, line.text.as_str()),
        (2, "b.go:2:2: the real one")
    );
}

proptest! {
    #[test]
    fn any_log_is_read(log in "(\\PC{0,60}\n){0,20}", skip in 0_usize..2000) {
        if let Some(line) = first_error(&log, skip) {
            let said = log.lines().nth(usize::try_from(line.line).unwrap() - 1).unwrap();
            let shown = line.text.trim_end_matches('…');
            prop_assert!(COLOURS.replace_all(said, "").contains(shown.split(" (").next().unwrap()));
        }
    }
}
