use jiff::{SignedDuration, Timestamp};

use super::super::{Breaker, Retry, RetryPolicy, retry};
use crate::model::{Blame, Phase};

const PHASES: [Phase; 10] = [
    Phase::Resolve,
    Phase::Build,
    Phase::Image,
    Phase::Boot,
    Phase::Provision,
    Phase::RuntimeReady,
    Phase::SuiteStart,
    Phase::Spec,
    Phase::Collect,
    Phase::Teardown,
];

fn decide(phase: Phase, blame: Blame, tries: u32, spent: i64) -> Retry {
    retry(
        &RetryPolicy::default(),
        Some((phase, blame)),
        tries,
        SignedDuration::from_mins(spent),
        SignedDuration::from_mins(100),
        Timestamp::UNIX_EPOCH,
    )
}

#[test]
fn only_what_the_infrastructure_broke_before_the_suite_is_tried_again_and_twice_at_most() {
    for phase in PHASES {
        let early = matches!(
            phase,
            Phase::Resolve | Phase::Image | Phase::Boot | Phase::Provision | Phase::RuntimeReady
        );
        for blame in [
            Blame::Kubernetes,
            Blame::Runtime,
            Blame::Sandboxer,
            Blame::Test,
            Blame::Unknown,
        ] {
            assert_eq!(decide(phase, blame, 0, 0), Retry::No, "{phase} {blame}");
        }
        let minute = Timestamp::UNIX_EPOCH + SignedDuration::from_mins(1);
        let five = Timestamp::UNIX_EPOCH + SignedDuration::from_mins(5);
        let expected = if early {
            [Retry::At(minute), Retry::At(five), Retry::Exhausted]
        } else {
            [Retry::No; 3]
        };
        let found = [0, 1, 2].map(|tries| decide(phase, Blame::Environment, tries, 0));
        assert_eq!(found, expected, "{phase}");
    }
}

#[test]
fn a_result_is_never_tried_again_and_retries_take_a_tenth_of_the_night() {
    let none = retry(
        &RetryPolicy::default(),
        None,
        0,
        SignedDuration::ZERO,
        SignedDuration::ZERO,
        Timestamp::UNIX_EPOCH,
    );
    assert_eq!(none, Retry::No);
    assert_eq!(
        decide(Phase::Boot, Blame::Environment, 0, 11),
        Retry::NoBudget
    );
    assert!(matches!(
        decide(Phase::Boot, Blame::Environment, 0, 9),
        Retry::At(_)
    ));
}

#[test]
fn fifty_lanes_that_fail_at_once_give_one_notice() {
    let mut breaker = Breaker::default();
    let mut now = Timestamp::UNIX_EPOCH;
    let mut notices = 0;
    for lane in 0..50 {
        now += SignedDuration::from_secs(10);
        notices += u32::from(breaker.failed(&format!("lane-{lane}"), now));
    }
    assert_eq!(notices, 1);
    assert!(breaker.is_open());
    breaker.worked();
    assert!(!breaker.is_open());
    // One lane that fails again and again is no storm, nor are three in a day.
    for hour in 0..10 {
        let later = now + SignedDuration::from_hours(hour);
        assert!(!breaker.failed("lane-1", later));
        assert!(!breaker.failed(if hour % 2 == 0 { "lane-2" } else { "lane-3" }, later));
    }
}
