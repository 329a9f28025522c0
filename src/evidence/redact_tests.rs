use proptest::prelude::*;

use super::*;

#[test]
fn secrets_go_and_the_rest_stays() {
    let redactor = Redactor::with_values(["s3cr3t-value", "abc", "redacted", "two\nlines-of-it"]);
    let token = "A".repeat(36);
    for (line, redacted) in [
        (
            r#"Starting server "services" with command "/x/e2e_node.test --run-services-mode --bearer-token=AbCd_EfGh-012345 --test.timeout=0""#.to_owned(),
            r#"Starting server "services" with command "/x/e2e_node.test --run-services-mode --bearer-token=[redacted] --test.timeout=0""#.to_owned(),
        ),
        ("&#34;--bearer-token=AbCd_EfGh&#34; -v".into(), "&#34;--bearer-token=[redacted]&#34; -v".into()),
        ("Authorization: Bearer abcDEF.123-_~+/==".into(), "Authorization: Bearer [redacted]".into()),
        (r#"{"Authorization":["Basic dXNlcjpwYXNz"]}"#.into(), r#"{"Authorization":["Basic [redacted]"]}"#.into()),
        ("authorization: token 0123456789".into(), "authorization: token [redacted]".into()),
        ("with bearer 0123456789abcdefX".into(), "with bearer [redacted]".into()),
        ("git clone https://user:pass@host/x.git".into(), "git clone https://[redacted]@host/x.git".into()),
        (format!("remote https://ghp_{token}@github.com/"), "remote https://[redacted]@github.com/".into()),
        (format!("token ghs_{token} github_pat_{token}_1"), "token [redacted] [redacted]".into()),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG+bPxRfiCY AKIAABCDEFGHIJKLMNOP".into(), "AWS_SECRET_ACCESS_KEY=[redacted] [redacted]".into()),
        ("jwt eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJ_x done".into(), "jwt [redacted] done".into()),
        (format!("api_key: \"{}\"", "0f".repeat(20)), "api_key: \"[redacted]\"".into()),
        ("the s3cr3t-value and lines-of-it".into(), "the [redacted] and [redacted]".into()),
    ] {
        assert_eq!(redactor.text(&line), redacted);
        assert_eq!(redactor.text(&redacted), redacted, "once is enough");
    }
}

#[test]
fn what_only_looks_alike_stays() {
    let redactor = Redactor::with_values(["abc", "redacted", ""]);
    for line in [
        r#"I1120 x] "Processing pod event" pod="secrets-5815/pod-secrets-5a3eb05a" podUID="b9a0dc54-e989-4411-a47e-6794e57f37e8""#,
        "unpacking registry.k8s.io/pause:3.10 (sha256:fcfeae7c1e0c6efea1c04b4c1e121a1f0bdfcff826576f1e9c9aea9b65e30e9b)...done",
        "--authentication-token-webhook-cache-ttl=2m --tls-private-key-file=/x --service-account-lookup=true",
        "the --bearer-token flag is required",
        "https://127.0.0.1:6443/healthz?x=a@b",
        "unix:///run/containerd/containerd.sock",
        "k8s.io/kubernetes@v1.36.3/test/e2e_node/x.go:272 @ 11/20/26",
        "Setting up volume secret-volume for pod b9a0dc54: key=value token=none password=",
        "abc redacted",
    ] {
        assert_eq!(redactor.text(line), line);
    }
}

const KEY: &str = "before\n-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA7\nab+/cd==\n-----END RSA PRIVATE KEY-----\nafter MIIE";

#[test]
fn private_keys_over_lines_keep_their_line_count() {
    let redactor = Redactor::default();
    assert_eq!(
        redactor.text(KEY),
        "before\n-----BEGIN RSA PRIVATE KEY-----\n[redacted]\n[redacted]\n-----END RSA PRIVATE KEY-----\nafter MIIE"
    );
    // As a journal has it, and cut off: the next message ends it.
    let journal = "h sh[1]: -----BEGIN OPENSSH PRIVATE KEY-----\nh sh[1]: b3BlbnNzaC1rZXkt\nh sh[1]: done, really.\nh sh[1]: ok";
    assert_eq!(
        redactor.text(journal),
        "h sh[1]: -----BEGIN OPENSSH PRIVATE KEY-----\nh sh[1]: [redacted]\nh sh[1]: done, really.\nh sh[1]: ok"
    );
    let one = r#"{"key":"-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n","x":1}"#;
    assert_eq!(
        redactor.text(one),
        r#"{"key":"-----BEGIN PRIVATE KEY-----[redacted]-----END PRIVATE KEY-----\n","x":1}"#
    );
    assert_eq!(
        redactor.text("-----BEGIN PRIVATE KEY-----\\nMIIE"),
        "-----BEGIN PRIVATE KEY-----[redacted]"
    );
    let public = "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----";
    assert_eq!(redactor.text(public), public);
}

#[test]
fn files_are_redacted_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = Utf8Path::from_path(folder.path()).unwrap().join("x.log");
    let redactor = Redactor::default();
    let long = "x".repeat(17 << 20);
    for (before, after) in [
        (b"plain \xff\r\nno end".to_vec(), None),
        (b"\x7fELF\0--bearer-token=AbCdEfGh".to_vec(), None),
        (
            b"a \xff\n--bearer-token=AbCdEfGh\r\n".to_vec(),
            Some(b"a \xff\n--bearer-token=[redacted]\r\n".to_vec()),
        ),
        (
            format!("{long}\n--token=abcdef").into_bytes(),
            Some(format!("{long}\n--token=[redacted]").into_bytes()),
        ),
        (KEY.into(), Some(redactor.text(KEY).into_bytes())),
    ] {
        std::fs::write(&file, &before).unwrap();
        assert_eq!(redactor.file_in_place(&file).unwrap(), after.is_some());
        assert!(std::fs::read(&file).unwrap() == after.unwrap_or(before));
    }
    let error = file_in_place(&file.with_file_name("none"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("none") && error.ends_with("do not publish it"),
        "{error}"
    );
}

const PIECES: &str = r#"(--token=|--bearer-token |Authorization: |Bearer |https://|@|:|ghp_|github_pat_|AKIA|eyJ|\.|key=|secret: |"|'|\\|\n| |-----BEGIN |RSA |PRIVATE KEY|-----|-----END |\[redacted\]|\[|\]|[a-f0-9]{1,40}|[A-Z]{1,20}|s3cr3t-value){0,30}"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn once_is_enough_and_lines_stay(text in PIECES) {
        let redactor = Redactor::with_values(["s3cr3t-value"]);
        let once = redactor.text(&text);
        prop_assert_eq!(once.split('\n').count(), text.split('\n').count());
        prop_assert!(!once.contains("s3cr3t-value"));
        prop_assert_eq!(redactor.text(&once), once);
    }

    #[test]
    fn a_token_never_survives(before in "[a-z .:]{0,20}", token in "[A-Za-z0-9_-]{16,40}", after in "( [a-z .:]{0,20})?") {
        for text in [
            format!("{before} --bearer-token={token}{after}"),
            format!("{before} Authorization: Bearer {token}{after}"),
            format!("{before} https://x:{token}@host{after}"),
            format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----", token.replace(['_', '-'], "/")),
        ] {
            let redacted = Redactor::default().text(&text);
            prop_assert!(!redacted.contains(&token) && !redacted.contains(&token.replace(['_', '-'], "/")), "{}", redacted);
        }
    }
}
