use proptest::prelude::*;

use super::*;

fn error(text: &str) -> String {
    parse("mine.ign", text).unwrap_err().to_string()
}

fn body(rest: &str) -> String {
    format!("{{\n  \"ignition\": {{\"version\": \"3.3.0\"}},\n  {rest}\n}}\n")
}

#[test]
fn what_is_no_config_says_what_it_is() {
    insta::assert_snapshot!(error(""));
    insta::assert_snapshot!(error(
        "{\n  \"ignition\": {\n    \"version\": \"3.3.0\",\n  }\n}\n"
    ));
    insta::assert_snapshot!(error("variant: fcos\nversion: 1.5.0\n"));
    insta::assert_snapshot!(error("#cloud-config\nusers: []\n"));
    insta::assert_snapshot!(error("{\"storage\": {}}"));
    insta::assert_snapshot!(error("[]"));
}

#[test]
fn versions() {
    for version in READ {
        let text = format!("{{\"ignition\": {{\"version\": \"{version}\"}}}}");
        assert_eq!(
            parse("x", &text).unwrap().config,
            Config::default(),
            "{version}"
        );
    }
    insta::assert_snapshot!(error("{\n\"ignition\": {\n\"version\": \"2.2.0\"}}"));
    insta::assert_snapshot!(error("{\"ignition\": {\"version\": \"3.6.0\"}}"));
    insta::assert_snapshot!(error("{\"ignition\": {\"version\": 3}}"));
}

#[test]
fn newer_features_are_refused_and_newer_versions_without_them_are_not() {
    let text = body(
        r#""storage": {"luks": [
    {"name": "data", "device": "/dev/vdb", "discard": true}]}"#,
    )
    .replace("3.3.0", "3.4.0");
    insta::assert_snapshot!(error(&text));
    assert!(parse("x", &text.replace(", \"discard\": true", "")).is_ok());
}

#[test]
fn unknown_keys_are_warnings_with_their_path() {
    let text = body(
        r#""systemd": {"units": [
    {"name": "a.service", "enable": true}
  ]},
  "sytemd": {}"#,
    );
    let parsed = parse("mine.ign", &text).unwrap();
    let said: Vec<String> = parsed
        .warnings
        .iter()
        .map(|w| format!("{}:{w}", w.line.unwrap()))
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn everything_invalid_is_said_at_once() {
    let text = body(
        r#""passwd": {"users": [{"name": "core"}, {"name": "core", "sshAuthorizedKeys": ["a\nb"]}]},
  "storage": {
    "files": [
      {"path": "etc/x"},
      {"path": "/etc/../y", "mode": 99999},
      {"path": "/z", "mode": 644, "contents": {"source": "data:;base64,***"}},
      {"path": "/z", "overwrite": true},
      {"path": "/q", "contents": {"source": "data:,x", "compression": "zstd"}},
      {"path": "/r", "contents": {"source": "oem:///x", "verification": {"hash": "sha512-12"}}},
      {"path": "/s", "contents": {"source": "https://example.com/x"}, "user": {"id": 1, "name": "a"}}
    ],
    "links": [{"path": "/q"}],
    "disks": [{"device": "vdb", "partitions": [{"sizeMiB": 1}, {"number": 1}, {"number": 1, "label": "a-label-of-more-than-thirty-six-characters"}]}],
    "filesystems": [{"device": "/dev/vdb1", "path": "/data"}, {"device": "/dev/vdb2", "format": "zfs"}, {"device": "/dev/vdb3", "format": "ext4", "label": "longer-than-sixteen"}],
    "raid": [{"name": "md0", "level": "raid7"}],
    "luks": [{"name": "a/b"}]
  },
  "systemd": {"units": [{"name": "a"}, {"name": "b.service", "contents": "hello\n", "dropins": [{"name": "x"}]}]}"#,
    );
    insta::assert_snapshot!(error(&text));
}

#[test]
fn what_is_allowed_but_likely_not_meant_is_a_warning() {
    let text = body(
        r#""storage": {"files": [
    {"path": "/a", "mode": 644},
    {"path": "/b", "contents": {"source": "https://example.com/x"}}
  ]},
  "systemd": {"units": [
    {"name": "a.service", "enabled": true, "contents": "[Service]\nExecStart=/bin/a \\\n  --flag\n# done\n"},
    {"name": "b.service", "enabled": true, "mask": true}
  ]}"#,
    );
    let parsed = parse("mine.ign", &text).unwrap();
    let said: Vec<String> = parsed
        .warnings
        .iter()
        .map(|w| format!("{}:{w}", w.line.unwrap()))
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_wrong_type_has_its_line() {
    insta::assert_snapshot!(error(&body(
        "\"storage\": {\"files\": [\n    {\"path\": 7}\n  ]}"
    )));
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = parse("x", &text);
        let _ = parse("x", &body(&format!("\"storage\": {text}")));
    }
}
