use jiff::{SignedDuration, Timestamp, civil};

use super::super::{Calendar, Occurrence};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn fires(cron: &str, zone: &str, from: &str, until: &str) -> Vec<Occurrence> {
    let until = at(until);
    Calendar::new(cron, zone)
        .unwrap()
        .after(at(from))
        .take_while(|fire| fire.at <= until)
        .collect()
}

pub(super) const ZONES: [&str; 12] = [
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "America/Santiago",
    "Asia/Kolkata",
    "Pacific/Auckland",
    "America/Sao_Paulo",
    "Asia/Tehran",
    "Africa/Casablanca",
    "Pacific/Chatham",
];

#[test]
fn a_daily_schedule_fires_once_on_each_date_of_two_years() {
    let from = civil::date(2026, 1, 1);
    let days = 730;
    for zone in ZONES {
        for (cron, each_day) in [
            ("30 2 * * *", 1),
            ("30 2,14 * * *", 2),
            ("0 0 * * *", 1),
            ("0 0-3 * * *", 4),
            ("15 1 * * *", 1),
        ] {
            let calendar = Calendar::new(cron, zone).unwrap();
            let start = from.to_zoned(calendar.zone().clone()).unwrap().timestamp();
            let mut dates = std::collections::BTreeMap::new();
            let mut instants = std::collections::BTreeSet::new();
            for fire in calendar.after(start - SignedDuration::from_secs(1)) {
                if fire.nominal.date() >= from.checked_add(jiff::Span::new().days(days)).unwrap() {
                    break;
                }
                assert!(instants.insert(fire.at), "{zone} {cron}: {fire:?} twice");
                *dates.entry(fire.nominal.date()).or_insert(0) += 1;
            }
            assert_eq!(dates.len(), usize::try_from(days).unwrap(), "{zone} {cron}");
            // Only where two wall times of one gap meet in one instant may a day have fewer.
            let short = dates.values().filter(|count| **count != each_day).count();
            assert!(
                short <= if cron.contains('-') { 4 } else { 0 },
                "{zone} {cron}: {short}"
            );
        }
    }
}

#[test]
fn a_time_in_a_gap_fires_at_the_first_instant_after_it() {
    let spring = fires(
        "30 2,14 * * *",
        "America/New_York",
        "2026-03-08T00:00:00Z",
        "2026-03-08T23:59:00Z",
    );
    assert_eq!(spring[0].at, at("2026-03-08T07:00:00Z"), "03:00 there");
    assert_eq!(spring[0].nominal, civil::date(2026, 3, 8).at(2, 30, 0, 0));
    assert_eq!(spring[1].at, at("2026-03-08T18:30:00Z"));
    assert_eq!(spring.len(), 2);
}

#[test]
fn a_time_that_comes_twice_fires_the_first_time() {
    let autumn = fires(
        "30 1 * * *",
        "America/New_York",
        "2026-11-01T00:00:00Z",
        "2026-11-02T00:00:00Z",
    );
    assert_eq!(autumn.len(), 1);
    assert_eq!(autumn[0].at, at("2026-11-01T05:30:00Z"));
    // Whoever looks between the two does not see it again.
    assert!(
        fires(
            "30 1 * * *",
            "America/New_York",
            "2026-11-01T05:30:00Z",
            "2026-11-02T00:00:00Z"
        )
        .is_empty()
    );
}

#[test]
fn half_an_hour_and_midnight_may_be_missing_too() {
    let lord_howe = fires(
        "15 2 * * *",
        "Australia/Lord_Howe",
        "2026-10-03T10:00:00Z",
        "2026-10-04T09:00:00Z",
    );
    assert_eq!(lord_howe[0].at, at("2026-10-03T15:30:00Z"), "02:30 there");
    let cairo = fires(
        "0 0 * * *",
        "Africa/Cairo",
        "2026-04-23T12:00:00Z",
        "2026-04-24T12:00:00Z",
    );
    assert_eq!(cairo[0].at, at("2026-04-23T22:00:00Z"), "01:00 there");
}

#[test]
fn a_time_that_some_days_lack_is_told() {
    let calendar = Calendar::new("30 2 * * *", "Europe/Berlin").unwrap();
    let gaps = calendar.in_gaps(at("2026-01-01T00:00:00Z"));
    assert_eq!(
        gaps,
        [
            civil::date(2026, 3, 29).at(2, 30, 0, 0),
            civil::date(2027, 3, 28).at(2, 30, 0, 0)
        ]
    );
    let safe = Calendar::new("30 4 * * *", "Europe/Berlin").unwrap();
    assert!(safe.in_gaps(at("2026-01-01T00:00:00Z")).is_empty());
}

#[test]
fn an_impossible_date_never_fires_and_wrong_input_is_named() {
    assert_eq!(
        Calendar::new("0 0 31 2 *", "UTC")
            .unwrap()
            .after(at("2026-01-01T00:00:00Z"))
            .next(),
        None
    );
    assert!(
        Calendar::new("0 25 * * *", "UTC")
            .unwrap_err()
            .to_string()
            .contains("0 25 * * *")
    );
    assert!(
        Calendar::new("0 2 * * *", "CEST")
            .unwrap_err()
            .to_string()
            .contains("CEST")
    );
}

/// One field of an expression, the slow way.
fn holds(field: &str, value: i8) -> bool {
    field.split(',').any(|part| {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let step: i8 = step.parse().unwrap();
        let (low, high) = match range.split_once('-') {
            Some((low, high)) => (low.parse().unwrap(), high.parse().unwrap()),
            None if range == "*" => (0, 59),
            None => (range.parse().unwrap(), range.parse().unwrap()),
        };
        (low..=high).contains(&value) && (value - low) % step == 0
    })
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(60))]
    #[test]
    fn every_wall_time_that_matches_fires_and_no_other(
        minute in proptest::sample::select(vec!["0", "30", "*/7", "5-20/5", "1,59"]),
        hour in proptest::sample::select(vec!["*", "2", "1-3", "*/6", "0,23"]),
        zone in proptest::sample::select(ZONES.to_vec()),
        day in 0_i64..700,
    ) {
        let calendar = Calendar::new(&format!("{minute} {hour} * * *"), zone).unwrap();
        let from = at("2026-01-01T00:00:00Z") + SignedDuration::from_hours(24 * day);
        let until = from + SignedDuration::from_hours(72);
        let mut expected = std::collections::BTreeSet::new();
        let mut wall = calendar.zone().to_datetime(from - SignedDuration::from_hours(30));
        let last = calendar.zone().to_datetime(until + SignedDuration::from_hours(3));
        wall = wall.with().minute(0).second(0).build().unwrap();
        while wall < last {
            if holds(minute, wall.minute()) && holds(hour, wall.hour()) {
                // The first of two, or the end of the gap: the first instant whose wall time is not before it.
                let first = calendar.zone().to_ambiguous_timestamp(wall).earlier().unwrap();
                let mut instant = first - SignedDuration::from_secs(60);
                while calendar.zone().to_datetime(instant) < wall {
                    instant += SignedDuration::from_secs(60);
                }
                if instant > from && instant <= until {
                    expected.insert(instant);
                }
            }
            wall += jiff::Span::new().minutes(1);
        }
        let found: Vec<_> = calendar.after(from).map(|fire| fire.at).take_while(|at| *at <= until).collect();
        proptest::prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
    }
}
