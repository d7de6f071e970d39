//! Deployment, played through: what is decided, and how often wrongly.

use super::{Comparison, Rollout, Roster, Turn, Wish};
use crate::config::spec::{DeploySpec, Loss, Strategy as Deploy};
use crate::model::Dice;
use crate::record::Key;
use crate::task::{Label, Prediction, Task};
use crate::time::{Span, Time};
use proptest::prelude::*;

const HOUR: i64 = 3_600_000_000;

fn hour(n: i64) -> Time {
    Time(n * HOUR)
}

fn canary() -> DeploySpec {
    let steps = vec![0.05, 0.25, 0.5];
    let (step_every, give_up_after) = (Span(24 * HOUR), Span(30 * 24 * HOUR));
    DeploySpec::of(Deploy::Canary { steps, step_every, give_up_after }, Task::Binary)
}

fn ab(weights: &[f64]) -> DeploySpec {
    DeploySpec::of(Deploy::Ab { weights: weights.to_vec(), give_up_after: Span(30 * 24 * HOUR) }, Task::Binary)
}

/// Plays a challenger that sees the true log-odds through noise of width `theirs`, a champion through that of width
/// `ours`, at `rate` labels an hour, until a turn other than a step is due; what it is, and after how many labels.
fn play(deploy: DeploySpec, seed: u64, (ours, theirs): (f64, f64), rate: usize) -> (Option<Turn>, i64) {
    let mut dice = Dice::new(seed);
    let mut rollout = Rollout::new(deploy);
    rollout.release(2, hour(0));
    let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
    let mut labels = 0;
    for now in 1.. {
        for _ in 0..rate {
            let truth = 4.0 * dice.uniform() - 3.0;
            let label = dice.uniform() < logistic(truth);
            let mut seen = |width: f64| logistic(truth + width * (2.0 * dice.uniform() - 1.0));
            let (champion, challenger) = (Prediction::Number(seen(ours)), Prediction::Number(seen(theirs)));
            let said = |version| Some(if version == 1 { &champion } else { &challenger });
            rollout.take(Time(hour(now).0 - 1), (None, Some(label.into())), said);
            labels += 1;
        }
        let told = rollout.look(hour(now), &[], (false, false));
        match told.first().and_then(|told| told.turn) {
            Some(turn @ Turn::Step { .. }) => rollout.turn(turn, hour(now)),
            Some(turn) => return (Some(turn), labels),
            None => assert!(now < 24 * 40, "an undecided challenger leaves in time"),
        }
    }
    (None, labels)
}

#[test]
fn without_a_difference_few_are_promoted_however_often_one_looks() {
    for deploy in [canary(), ab(&[0.5, 0.5])] {
        let (mut promoted, mut worse) = (0, 0);
        for seed in 0..1000 {
            let (turn, labels) = play(deploy.clone(), seed, (1.0, 1.0), 40);
            promoted += u32::from(matches!(turn, Some(Turn::Promote { .. })));
            worse += u32::from(matches!(turn, Some(Turn::Retire { .. })) && labels < 30 * 24 * 40);
        }
        println!("{:?}: of 1000 challengers no better {promoted} were promoted, {worse} called worse", deploy.strategy);
        assert!(promoted <= 50 && worse <= 50, "{promoted} promoted, {worse} called worse");
    }
}

#[test]
fn a_difference_is_found_and_in_its_direction() {
    let (mut better, mut worse, mut took) = (0, 0, 0);
    for seed in 0..50 {
        let (turn, labels) = play(ab(&[0.5, 0.5]), seed, (1.5, 0.5), 40);
        better += u32::from(turn == Some(Turn::Promote { version: 2, over: 1 }));
        took += labels;
        let (turn, _) = play(ab(&[0.5, 0.5]), seed, (0.5, 1.5), 40);
        worse += u32::from(turn == Some(Turn::Retire { version: 2 }));
    }
    println!("decided after {} labels in the mean, of 28800", took / 50);
    assert_eq!((better, worse), (50, 50));
    assert!(took / 50 < 28_800 / 4, "an A/B test stops early");
}

#[test]
fn a_canary_goes_through_its_steps_before_it_is_promoted() {
    let mut rollout = Rollout::new(canary());
    rollout.release(2, hour(0));
    let mut told = String::new();
    for now in 1..=80 {
        for event in 0..100 {
            let label = event % 4 == 0;
            let (champion, challenger) = (Prediction::Number(0.25), Prediction::Number(if label { 0.6 } else { 0.1 }));
            let said = |version| Some(if version == 1 { &champion } else { &challenger });
            rollout.take(Time(hour(now).0 - 1), (None, Some(label.into())), said);
        }
        for told_now in rollout.look(hour(now), &[], (false, false)) {
            told.push_str(&format!("{now}h {} {:?}\n", told_now.verdict, told_now.share));
            told_now.turn.into_iter().for_each(|turn| rollout.turn(turn, hour(now)));
        }
    }
    assert_eq!(told, "24h step Some(0.25)\n48h step Some(0.5)\n72h promote None\n");
    assert_eq!((rollout.roster().champion, rollout.roster().previous), (2, Some((1, hour(72)))));
}

#[test]
fn a_champion_that_is_worse_than_the_one_before_goes_back() {
    let mut deploy = DeploySpec::of(Deploy::Immediate, Task::Binary);
    deploy.rollback_within = Some(Span(48 * HOUR));
    let mut rollout = Rollout::new(deploy);
    rollout.release(2, hour(0));
    let (never, always) = (Prediction::Number(0.0), Prediction::Number(1.0));
    let mut at = None;
    for now in 1..=20 {
        for event in 0..100 {
            let label = event % 4 == 0;
            let (before, newer) = (Prediction::Number(0.25), Prediction::Number(if label { 0.1 } else { 0.6 }));
            let said = |version| Some(if version == 1 { &before } else { &newer });
            rollout.take(Time(hour(now).0 - 1), (None, Some(label.into())), said);
        }
        // What was predicted before the release is not compared.
        let said = |version| Some(if version == 1 { &never } else { &always });
        rollout.take(Time(-1), (None, Some(true.into())), said);
        if let Some(told) = rollout.look(hour(now), &[], (false, false)).first() {
            assert_eq!((told.turn, told.reason), (Some(Turn::RollBack { to: 1, from: 2 }), "worse"));
            rollout.turn(Turn::RollBack { to: 1, from: 2 }, hour(now));
            assert!(at.replace(now).is_none(), "it is decided once");
        }
    }
    assert_eq!(at, Some(5), "with the least number of labels");
    assert_eq!((rollout.roster().champion, rollout.roster().previous), (1, None));
}

#[test]
fn wishes_are_granted_refused_or_wait() {
    let mut rollout = Rollout::new(canary());
    let look = |rollout: &mut Rollout, now: i64, wishes: &[Wish], under_way: bool| {
        let told = rollout.look(hour(now), wishes, (under_way, false));
        let text = told.iter().map(|d| format!("{} {} {:?}", d.verdict, d.reason, d.version)).collect::<Vec<_>>();
        told.iter().filter_map(|d| d.turn).for_each(|turn| rollout.turn(turn, hour(now)));
        text.join("; ")
    };
    assert_eq!(look(&mut rollout, 1, &[Wish::RollBack], false), "refused no_previous None");
    assert_eq!(look(&mut rollout, 2, &[Wish::Promote(2)], false), "refused not_in_play Some(2)");
    rollout.release(2, hour(3));
    assert_eq!(look(&mut rollout, 4, &[Wish::Promote(2), Wish::Pin], true), "", "something is under way");
    assert_eq!(look(&mut rollout, 5, &[], false), "promote by_hand Some(2)");
    assert_eq!(look(&mut rollout, 6, &[Wish::RollBack], false), "pin by_hand Some(2); roll_back by_hand Some(1)");
    assert!(rollout.is_pinned());
    assert_eq!(look(&mut rollout, 7, &[Wish::Unpin], false), "unpin by_hand Some(1)");
    assert!(!rollout.is_pinned());
    let told = rollout.look(hour(8), &[Wish::Promote(1)], (false, true));
    assert_eq!((told[0].verdict, told[0].reason), ("refused", "end_of_input"));
}

#[test]
fn a_key_stays_with_its_challenger_while_the_share_grows() {
    let deploy = canary();
    let mut roster = Roster::default();
    roster.release(2, hour(0), &deploy);
    let keys: Vec<Key> = (0..20_000).map(|n| Key::of_text(&n.to_string())).collect();
    let mut before = Vec::new();
    for (step, share) in [0.05, 0.25, 0.5].into_iter().enumerate() {
        roster.turn(Turn::Step { version: 2, step: step as u32 }, hour(1), &deploy);
        let theirs: Vec<Key> = keys.iter().copied().filter(|key| roster.answering(*key, &deploy) == Some(2)).collect();
        let found = theirs.len() as f64 / keys.len() as f64;
        assert!((found - share).abs() < 0.01, "{found} of {share}");
        assert!(before.iter().all(|key| theirs.contains(key)), "nobody goes back");
        before = theirs;
    }
}

#[test]
fn weights_are_shares_and_a_free_place_is_the_champions() {
    let deploy = ab(&[2.0, 1.0, 1.0]);
    let mut roster = Roster::default();
    let shares =
        |roster: &Roster| -> Vec<f64> { roster.challengers.iter().map(|s| Roster::share(s, &deploy)).collect() };
    assert!(!roster.is_full(&deploy));
    roster.release(2, hour(0), &deploy);
    roster.release(3, hour(1), &deploy);
    assert_eq!((shares(&roster), roster.is_full(&deploy)), (vec![0.25, 0.25], true));
    roster.turn(Turn::Retire { version: 2 }, hour(2), &deploy);
    assert_eq!((shares(&roster), roster.is_full(&deploy)), (vec![0.25], false));
    roster.release(4, hour(3), &deploy);
    roster.turn(Turn::Promote { version: 3, over: 1 }, hour(4), &deploy);
    assert_eq!(roster.champion, 3);
    assert_eq!(roster.challengers.iter().map(|s| (s.version, s.compared_since)).collect::<Vec<_>>(), [(4, hour(4))]);
    assert!(roster.has(1) && !roster.has(2), "the champion before stays warm");
}

proptest! {
    #[test]
    fn a_comparison_is_that_of_the_rows_and_corrections_leave_no_trace(
        rows in proptest::collection::vec((0.0..=1.0, 0.0..=1.0, any::<bool>(), any::<bool>()), 60..300),
        loss in proptest::sample::select(Loss::ALL.map(|(_, loss)| loss).to_vec()),
    ) {
        let mut compared = Comparison::default();
        for (one, other, label, first) in &rows {
            let (one, other) = (Prediction::Number(*one), Prediction::Number(*other));
            compared.add(loss, (&one, &other), (*first).into(), 1);
            compared.add(loss, (&one, &other), (*first).into(), -1);
            compared.add(loss, (&one, &other), Label::from(*label), 1);
        }
        let of = |score: f64, label: bool| {
            let truth = f64::from(u8::from(label));
            match loss {
                Loss::LogLoss => -(1.0 - (truth - score.clamp(1e-4, 1.0 - 1e-4)).abs()).ln(),
                Loss::Brier => (score - truth).powi(2),
                Loss::Accuracy => f64::from(u8::from((score > 0.5) != label)),
                Loss::Mae => (score - truth).abs(),
                Loss::Rmse => (score - truth).powi(2),
            }
        };
        let difference = |(one, other, label, _): &(f64, f64, bool, bool)| of(*one, *label) - of(*other, *label);
        let differences: Vec<f64> = rows.iter().map(difference).collect();
        let n = rows.len() as f64;
        let mean = differences.iter().sum::<f64>() / n;
        let deviation = (differences.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
        let interval = compared.interval(0.05, 50).unwrap();
        prop_assert_eq!(interval.n, rows.len() as i64);
        prop_assert!((interval.mean - mean).abs() < 1e-9);
        prop_assert!((interval.low + interval.high - 2.0 * mean).abs() < 1e-9, "symmetric");
        // Wider than an interval for one look, and not by much more than twice.
        let once = 1.96 * deviation / n.sqrt();
        let half = (interval.high - interval.low) / 2.0;
        prop_assert!(deviation < 1e-9 || (once..4.0 * once).contains(&half), "{half} against {once}");
    }
}
