//! What is said about a profile that is wrong.

use super::*;

fn refused(text: &str) -> String {
    refused_in(&Memory::default(), text)
}

fn refused_in(files: &Memory, text: &str) -> String {
    let files = files.clone().with("p.toml", text);
    match load_from(&files, "p.toml", &Overrides::default()) {
        Err(errors) => {
            assert!(
                errors.list().iter().all(|error| error.hint.is_some()),
                "each error has a hint: {errors}"
            );
            errors.to_string()
        }
        Ok(_) => panic!("loads:\n{text}"),
    }
}

/// [`SHORT`] with one part replaced.
fn with(old: &str, new: &str) -> String {
    assert!(SHORT.contains(old), "{old}");
    SHORT.replacen(old, new, 1)
}

/// [`SHORT`] with something more at the end, which is inside its suite.
fn plus(more: &str) -> String {
    format!("{SHORT}{more}\n")
}

macro_rules! refuses {
    ($($name:ident: $text:expr;)*) => {
        $(#[test]
        fn $name() {
            insta::assert_snapshot!(refused(&$text));
        })*
    };
}

refuses! {
    bad_syntax: with("name = \"short\"", "name = short\nx = [1,");
    unknown_key: plus("lable-filter = \"a\"");
    unknown_key_at_the_top: with("[runtime]", "[runtimes]\nkind = \"containerd\"\n[runtime]");
    wrong_type: plus("processes = \"two\"");
    wrong_type_of_a_table: with("[runtime]\nkind = \"containerd\"\n", "").replace("[source.kubernetes]", "runtime = \"containerd\"\n[source.kubernetes]");
    wrong_value_of_an_enum: with("recipe = \"kubernetes-node\"", "recipe = \"kubernetes\"");
    missing_key: with("timeout = \"60m\"\n", "");
    missing_name: with("name = \"short\"\n", "");
    missing_table: with("[runtime]\nkind = \"containerd\"\n", "");
    unknown_node: plus("nodes = [\"plane\"]");
    unknown_sandboxer: plus("sandboxers = [\"runc\", \"crum\"]");
    unknown_suite_of_none: with("[[suite]]\nname = \"conformance\"\nkind = \"ginkgo\"\npreset = \"e2e_node\"\ntimeout = \"60m\"\n", "");
    unknown_pairing: plus("pairings = [\"mian\"]");
    unknown_source_of_a_build: with("recipe = \"containerd\"", "recipe = \"containerd\"\nsource = \"contanerd\"");
    unknown_source_of_a_pairing: plus("[[pairing]]\nname = \"control\"\nkubernets = \"stable\"");
    unknown_build: with("name = \"runc\"", "name = \"youki\"\nruntime-type = \"io.containerd.runc.v2\"\nbuild = \"youki\"");
    a_runtime_type_of_the_other_runtime: with("kind = \"containerd\"", "kind = \"crio\"").replace("recipe = \"containerd\"", "recipe = \"crio\"").replace("name = \"runc\"", "name = \"runc\"\nruntime-type = \"io.containerd.runc.v2\"");
    nothing_builds_cri_o: with("kind = \"containerd\"", "kind = \"crio\"");
    unknown_image: with("name = \"plain\"", "name = \"plain\"\nimage = \"debian-12\"");
    unknown_node_extended: with("name = \"plain\"", "name = \"plain\"\nextends = \"base\"");
    build_without_a_source: plus("[build.cni]\nrecipe = \"cni-plugins\"");
    outer_timeout_below_inner: plus("arguments = [\"--test.v\", \"--timeout=1h30m\", \"--server-start-timeout\", \"2h\"]");
    inner_timeout_that_is_none: plus("arguments = [\"--timeout=soon\"]");
    two_nodes_with_one_name: with("[[sandboxer]]", "[[node]]\nname = \"plain\"\n[[sandboxer]]");
    one_sandboxer_named_twice: plus("sandboxers = [\"runc\", \"runc\"]");
    disks: with("name = \"plain\"", "name = \"plain\"\ndisks = [\n  { name = \"runtime\", mount = \"/a\" },\n  { name = \"Big disk\", mount = \"srv/\" },\n  { mount = \"/a\" },\n  { name = \"two\", mount = \"/a\" },\n]");
    names_with_dots_and_slashes: with("name = \"plain\"", "name = \"Plain.v2\"\n[[node]]\nname = \"../up\"");
    label_filter: plus("label-filter = \"NodeConformance && !(Flaky || Slow\"");
    focus_and_skip: plus("focus = ['[NodeConformance\\]', '(a']\nskip = ['(?=x)']");
    no_such_ignition: with("name = \"plain\"", "name = \"plain\"\nignition = [\"ignition/swpa.ign\"]");
    no_such_config: with("kind = \"containerd\"", "kind = \"containerd\"\nconfig = \"my.toml\"");
    sizes: with("name = \"plain\"", "name = \"plain\"\nmemory = \"4GB\"\ndisk = \"20\"\ncpus = 0");
    too_little_memory: with("name = \"plain\"", "name = \"plain\"\nmemory = \"64MiB\"\ndisk = \"1KiB\"");
    durations: with("timeout = \"60m\"", "timeout = \"60\"");
    cron: plus("[schedule]\ncron = \"0 25 * * *\"");
    time_zone: plus("[schedule]\ncron = \"0 2 * * *\"\ntimezone = \"Europe/Berln\"");
    gate_without_bound: plus("[gates]\npass-rate = { window = 2 }");
    gate_that_never_has_enough: plus("[gates]\npass-rate = { min = 0.9, window = 5, n = 6 }");
    gate_that_cannot_be_kept: plus("[gates]\npass-rate = { min = 2, max = 1, window = 0 }\nflaky = { max = nan }");
    go_module_with_ref: with("go-module = \"k8s.io/kubernetes\"", "go-module = \"k8s.io/kubernetes\"\nref = \"master\"");
    go_module_with_a_branch: with("go-module = \"k8s.io/kubernetes\"", "go-module = \"k8s.io/kubernetes\"\nversion = \"master\"");
    git_without_ref: with("go-module = \"k8s.io/kubernetes\"", "git = \"https://github.com/kubernetes/kubernetes\"");
    two_origins: with("go-module = \"k8s.io/kubernetes\"", "go-module = \"k8s.io/kubernetes\"\npath = \"k\"");
    no_origin: with("go-module = \"k8s.io/kubernetes\"", "stable = \"latest-tag\"");
    stable_that_nobody_says: plus("[[pairing]]\nname = \"control\"\nkubernetes = \"stable\"");
    no_nodes: with("[[node]]\nname = \"plain\"\n", "");
    no_sandboxers: with("[[sandboxer]]\nname = \"runc\"\n", "");
    empty_lists: with("timeout = \"60m\"", "timeout = \"60m\"\nnodes = []");
    empty_pairing: with("[source.kubernetes]", "pairing = []\n[source.kubernetes]");
    sandboxer_from_nowhere: with("name = \"runc\"", "name = \"youki\"\nruntime-type = \"io.containerd.runc.v2\"");
    sandboxer_of_no_type: with("name = \"runc\"", "name = \"youki\"\npackage = \"youki\"");
    sandboxer_from_two_places: with("name = \"runc\"", "name = \"runc\"\nbuild = \"containerd\"\npackage = \"runc\"");
    commands_that_make_nothing: plus("[build.x]\nsource = \"kubernetes\"\nrecipe = \"commands\"\ntags = [\"a\"]");
    commands_of_another_recipe: with("recipe = \"containerd\"", "recipe = \"containerd\"\nrun = [\"make\"]\noutputs = { \"bin/x\" = \"x\" }");
    outputs_outside: plus("[build.x]\nsource = \"kubernetes\"\nrecipe = \"commands\"\nrun = [\"make\"]\noutputs = { \"/bin/x\" = \"../x\" }");
    crate_with_ref: plus("[source.x]\ncrate = \"youki\"\nref = \"main\"");
    crate_of_odd_name_and_version: plus("[source.x]\ncrate = \"youki = 1\"\nversion = \"v0.7.0\"");
    controller_that_nothing_starts: with("name = \"runc\"", "name = \"runc\"\nsocket = \"run/x.sock\"");
    sandboxer_with_odd_parts: with("name = \"runc\"", "name = \"runc\"\nwith-builds = [\"nothing\"]\nfiles = { \"etc/x\" = \"config/machines.conf\" }\nunit = \"config/machines.conf\"\nready = \"\"");
    odd_needs: with("name = \"runc\"", "name = \"runc\"\nrequires = [\"gpu\", \"memory>=8GB\"]");
    nothing_builds_the_runtime: with("[build.containerd]\nrecipe = \"containerd\"\n", "");
    two_builds_of_one_thing: plus("[build.other]\nsource = \"containerd\"\nrecipe = \"containerd\"");
    image_of_two_kinds: plus("[image.x]\ndebian = \"trixie\"\nfile = \"a.img\"");
    image_file_without_digest: plus("[image.x]\nfile = \"a.qcow2\"\n[image.y]\nfile = \"b.vmdk\"\nsha256 = \"12\"\nformat = \"vmdk\"");
    nodes_in_a_circle: with("name = \"plain\"", "name = \"plain\"\nextends = \"swap\"\n[[node]]\nname = \"swap\"\nextends = \"plain\"");
    expect_of_nothing: plus("[[expect]]");
    expect_of_odd_values: plus("[[expect]]\nspec = '(a'\nmessage = ' '\noutcome = []\nreason = \"\"\ntracker = \"#12\"\nexpires = \"soon\"\nsandboxers = [\"gvisor\"]\nnodes = []");
    expect_of_odd_types: plus("[[expect]]\nspec = 'a'\noutcome = [\"passed\"]\nreason = \"r\"\nno-tracker = \"n\"\nexpires = 3");
    expect_until_a_time: plus("[[expect]]\nspec = 'a'\nreason = \"r\"\nno-tracker = \"n\"\nexpires = 2027-03-01T10:00:00Z");
    expect_with_and_without_tracker: plus("[[expect]]\nspec = 'a'\nreason = \"r\"\ntracker = \"https://example.org/1\"\nno-tracker = \"n\"\nexpires = 2027-03-01");
    expect_where_no_lane_is: plus("sandboxers = [\"runc\"]\n[[sandboxer]]\nname = \"crun\"\n[[expect]]\nspec = 'a'\nsandboxers = [\"crun\"]\nreason = \"r\"\nno-tracker = \"n\"\nexpires = 2027-03-01");
    extends_nothing: with("name = \"short\"", "name = \"short\"\nextends = \"./other.toml\"");
    extends_no_shipped_one: with("name = \"short\"", "name = \"short\"\nextends = \"quikstart\"");
    extends_itself: with("name = \"short\"", "name = \"short\"\nextends = \"./p.toml\"");
}

#[test]
fn a_wrong_fragment_is_shown_at_its_own_line() {
    let files = Memory::default()
        .with("yaml.ign", "variant: fcos\nversion: 1.4.0\n")
        .with(
            "cut.ign",
            "{\n  \"ignition\": {\n    \"version\": \"3.3.0\"\n",
        )
        .with("other.ign", "{\"version\": \"3.3.0\"}")
        .with("config.toml", "version = 3\n[debug\n");
    let text = with(
        "name = \"plain\"",
        "name = \"plain\"\nignition = [\"yaml.ign\", \"cut.ign\", \"other.ign\"]",
    )
    .replace(
        "kind = \"containerd\"",
        "kind = \"containerd\"\nconfig = \"config.toml\"",
    );
    insta::assert_snapshot!(refused_in(&files, &text));
}

#[test]
fn all_errors_are_told_at_once_and_no_echoes() {
    // The suite's bad kind is told; that the suite then lacks a kind is not.
    let text = with(
        "kind = \"ginkgo\"",
        "kind = \"gingko\"\nretries = 2\nrole = 3",
    );
    let text = text.replace("name = \"plain\"", "name = \"plain\"\nmemory = \"4GB\"");
    insta::assert_snapshot!(refused(&text));
}

#[test]
fn an_error_in_an_extended_file_is_shown_there() {
    let files = Memory::default().with("base.toml", &with("timeout = \"60m\"", "timeout = \"60\""));
    insta::assert_snapshot!(refused_in(
        &files,
        "name = \"x\"\nextends = \"base.toml\"\n[[node]]\nname = \"plain\"\ncpu = 3\n"
    ));
}

#[test]
fn a_duplicate_in_a_profile_that_extends_is_not_merged_away() {
    let files = Memory::default().with("base.toml", SHORT);
    let text = "name = \"x\"\nextends = \"base.toml\"\n[[node]]\nname = \"plain\"\n[[node]]\nname = \"plain\"\ncpus = 8\n";
    let told = refused_in(&files, text);
    assert!(told.contains("a second node is called `plain`"), "{told}");
}

#[test]
fn arguments_that_name_no_profile() {
    let say = |argument: &str| {
        let files = Memory::default();
        load_from(&files, argument, &Overrides::default())
            .unwrap_err()
            .to_string()
    };
    insta::assert_snapshot!([say("quickstrat"), say("./mine"), say("mine.toml")].join("\n\n"));
}

#[test]
fn errors_as_data_say_line_and_column() {
    let errors = load_text("name = \"x\"\nnme = 1\n").unwrap_err();
    let first = &errors.list()[0];
    let unknown = errors
        .list()
        .into_iter()
        .find(|error| error.message.contains("nme"))
        .unwrap();
    assert_eq!(unknown.line.zip(unknown.column), Some((2, 1)));
    assert_eq!(unknown.file.as_deref(), Some("p.toml"));
    assert_eq!(errors.count(), errors.list().len());
    assert!(first.hint.is_some());
}

/// The reference profile with some of it cut out, doubled or spoilt.
fn spoilt(edits: &[(usize, u8)]) -> String {
    let mut lines: Vec<String> = include_str!("../../../profiles/reference.toml")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    for (at, edit) in edits {
        let at = at % lines.len().max(1);
        let Some(line) = lines.get(at).cloned() else {
            continue;
        };
        match edit % 6 {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, line),
            2 => lines[at] = line.replace('"', ""),
            3 => lines[at] = line.replace(" = ", "é = "),
            4 => lines[at] = line.replace(|c: char| c.is_ascii_digit(), "−7"),
            _ => lines[at] = line.chars().rev().collect(),
        }
    }
    lines.join("\n")
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(128))]

    #[test]
    fn a_spoilt_profile_loads_or_says_why(edits in proptest::collection::vec((0usize..500, 0u8..6), 1..8)) {
        if let Err(errors) = load_text(&spoilt(&edits)) {
            let shown = errors.to_string();
            proptest::prop_assert_eq!(shown.matches("error: ").count(), errors.count(), "{}", shown);
            proptest::prop_assert!(errors.list().iter().all(|error| error.hint.is_some()), "{}", shown);
            proptest::prop_assert!(!errors.render(true).is_empty());
        }
    }

    #[test]
    fn no_text_is_too_odd_to_refuse(text in "[a-z\\[\\]{}=\"'\\\\\n #.,0-9é]{0,60}") {
        proptest::prop_assert!(!load_text(&text).unwrap_err().to_string().is_empty());
    }
}
