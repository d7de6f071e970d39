//! Each suppression by a table; the limits, determinism and saving by random walks.

use super::*;
use crate::config::spec::{
    CauseSpec, Cron, DeploySpec, DetectorSpec, GateSpec, LearnerSpec, Metric, MetricsSpec, ModelSpec, NewData, Spanned,
    TrainSpec, TriggerSpec,
};
use crate::task::Task;
use crate::time::{Span, Time};
use proptest::prelude::*;

const HOUR: i64 = Span::HOUR.0;

fn spec(cause: CauseSpec) -> TriggerSpec {
    TriggerSpec { cause, warm_up: 10, cooldown: Span(5 * HOUR), daily_budget: 2, span: 0..0 }
}

fn degradation() -> TriggerSpec {
    let when = Spanned { value: "log_loss[1d] > 1.05 * log_loss_at_release".to_string(), span: 0..0 };
    spec(CauseSpec::Degradation { when, rearm: None, min_labels: 5, min_coverage: 0.9 })
}

/// The same with hysteresis.
fn lasting_degradation() -> TriggerSpec {
    let mut trigger = degradation();
    if let CauseSpec::Degradation { rearm, .. } = &mut trigger.cause {
        *rearm = Some(Spanned { value: "log_loss[1d] < 1.02 * log_loss_at_release".to_string(), span: 0..0 });
    }
    trigger
}

fn new_data(enough: NewData) -> TriggerSpec {
    spec(CauseSpec::NewData(enough))
}

fn cron(text: &str) -> TriggerSpec {
    spec(CauseSpec::Cron(Cron::parse(text).expect("it is a schedule")))
}

fn adwin() -> TriggerSpec {
    spec(CauseSpec::Drift(DetectorSpec::Adwin { delta: 0.002 }))
}

/// What one boundary looks like; the defaults let everything fire and nothing ask.
#[derive(Clone, Debug)]
struct Hour {
    at: i64,
    labels: u64,
    new_examples: u64,
    window: u64,
    trained: Option<i64>,
    manual: u32,
    last: bool,
    training: bool,
    rollout: bool,
    pinned: bool,
    loss: Option<f64>,
    drift: bool,
}

fn hour(at: i64) -> Hour {
    Hour {
        at,
        labels: 100,
        new_examples: 0,
        window: 400,
        trained: None,
        manual: 0,
        last: false,
        training: false,
        rollout: false,
        pinned: false,
        loss: Some(0.4),
        drift: false,
    }
}

fn judge_hour(judge: &mut Judge, hour: &Hour) -> Option<Decision> {
    let signal = DriftSignal {
        trigger: 0,
        detector: "adwin".to_string(),
        feature: None,
        figure: 0.25,
        at: Time(hour.at * HOUR - 1),
    };
    let drifts = if hour.drift { vec![signal] } else { vec![] };
    judge.judge(&Sight {
        boundary: Time(hour.at * HOUR),
        labels: hour.labels,
        new_examples: hour.new_examples,
        window_examples: hour.window,
        newest_trained: hour.trained.map(|at| Time(at * HOUR)),
        manual: hour.manual,
        last: hour.last,
        training: hour.training,
        rollout: hour.rollout,
        pinned: hour.pinned,
        metric: &|_, _| hour.loss.map(|value| Reading { value, labelled: 100, coverage: 1.0 }),
        at_release: &|metric| (metric == Metric::LogLoss).then_some(0.4),
        drifts: &drifts,
    })
}

/// Plays hours and writes what came of each: `fired`, a reason, or `-`.
fn play(triggers: &[TriggerSpec], hours: &[Hour]) -> String {
    let mut judge = Judge::new("late", triggers, &[Span::DAY]).expect("the conditions are good");
    let words = hours.iter().map(|hour| match judge_hour(&mut judge, hour) {
        None => "-",
        Some(decision) => decision.reason.map_or("fired", Suppression::word),
    });
    words.collect::<Vec<_>>().join(" ")
}

fn drifting(at: i64) -> Hour {
    Hour { drift: true, ..hour(at) }
}

fn bad(at: i64) -> Hour {
    Hour { loss: Some(0.5), ..hour(at) }
}

#[test]
fn each_suppression_has_its_reason() {
    let few = |at| Hour { labels: 9, ..drifting(at) };
    let busy = |at| Hour { training: true, ..drifting(at) };
    let end = |at| Hour { last: true, ..drifting(at) };
    let crowded = |at| Hour { rollout: true, ..drifting(at) };
    let pinned = |at| Hour { pinned: true, ..drifting(at) };
    for (expected, hours) in [
        ("- fired", vec![hour(1), drifting(2)]),
        ("warm_up fired", vec![few(1), drifting(2)]),
        ("fired cooldown -", vec![drifting(1), drifting(2), drifting(5)]),
        ("fired fired", vec![drifting(1), drifting(6)]),
        ("fired - cooldown - fired", vec![drifting(1), hour(2), drifting(3), hour(4), drifting(6)]),
        ("fired fired budget", vec![drifting(1), drifting(6), drifting(11)]),
        ("fired fired - fired", vec![drifting(1), drifting(6), hour(23), drifting(24)]),
        ("fired training", vec![drifting(1), busy(9)]),
        ("end_of_input", vec![end(1)]),
        ("rollout pinned fired", vec![crowded(1), pinned(2), drifting(3)]),
    ] {
        assert_eq!(play(&[adwin()], &hours), expected, "{hours:?}");
    }
}

#[test]
fn degradation_fires_on_crossing() {
    let busy = |at| Hour { training: true, ..bad(at) };
    for (expected, hours) in [
        ("- fired - -", vec![hour(1), bad(2), busy(9), busy(10)]),
        ("fired - fired", vec![bad(1), hour(2), bad(9)]),
        // The training has ended without helping: at the next boundary after it, the condition counts again.
        ("fired - fired", vec![bad(1), busy(2), bad(9)]),
        // So it does after a training that began and ended between two boundaries.
        ("fired fired", vec![bad(1), bad(9)]),
        // Unknown is neither: it does not re-arm.
        ("fired - -", vec![bad(1), Hour { loss: None, training: true, ..hour(2) }, Hour { loss: None, ..hour(9) }]),
        ("fired - - fired", vec![bad(1), hour(2), Hour { loss: None, ..hour(8) }, bad(9)]),
        ("-", vec![Hour { loss: Some(f64::NAN), ..hour(1) }]),
    ] {
        assert_eq!(play(&[degradation()], &hours), expected, "{hours:?}");
    }
}

#[test]
fn lasting_causes_are_recorded_once_and_fire_in_the_end() {
    let few = |at| Hour { labels: 1, ..bad(at) };
    assert_eq!(play(&[degradation()], &[few(1), few(2), bad(3)]), "warm_up - fired");
    let more = |at| Hour { new_examples: 50, ..hour(at) };
    let new_data = new_data(NewData::Examples(50));
    assert_eq!(
        play(std::slice::from_ref(&new_data), &[hour(1), more(2), hour(3), more(4), more(5), more(7)]),
        "- fired - cooldown - fired"
    );
    let busy = |at| Hour { training: true, ..more(at) };
    assert_eq!(
        play(&[new_data], &[more(1), busy(2), busy(3), more(4), more(5), more(6)]),
        "fired training - cooldown - fired"
    );
}

#[test]
fn too_few_labels_or_too_little_coverage_is_unknown() {
    for (labelled, coverage, expected) in [(5, 0.9, true), (4, 1.0, false), (100, 0.89, false), (100, f64::NAN, false)]
    {
        let mut judge = Judge::new("late", &[degradation()], &[Span::DAY]).expect("the condition is good");
        let decision = judge.judge(&Sight {
            boundary: Time(HOUR),
            labels: 100,
            new_examples: 0,
            window_examples: 0,
            newest_trained: None,
            manual: 0,
            last: false,
            training: false,
            rollout: false,
            pinned: false,
            metric: &|_, _| Some(Reading { value: 0.5, labelled, coverage }),
            at_release: &|_| Some(0.4),
            drifts: &[],
        });
        assert_eq!(decision.is_some(), expected, "{labelled} {coverage}");
    }
}

#[test]
fn schedules_count_from_the_first_boundary() {
    let every = spec(CauseSpec::Schedule { every: Span(6 * HOUR) });
    let hours: Vec<Hour> = [3, 4, 8, 9, 10, 14, 15, 40, 41, 45].map(hour).into();
    // 9 and 15 are due; 40 stands for 21, 27, 33 and 39, passed in a gap; 45 is due and suppressed, and gone.
    assert_eq!(play(&[every], &hours), "- - - fired - - fired fired - fired");
}

#[test]
fn cron_fires_at_the_first_boundary_at_or_after_its_instants() {
    // 1970 began on a Thursday: hours 3, 27, 51 are Thursday, Friday and Saturday at 03:00.
    for (text, expected, hours) in [
        ("0 3 * * *", "- fired - fired", vec![2, 3, 26, 27]),
        // A boundary later than the instant; one due before the first boundary is past; the first may be one itself.
        ("20 3 * * *", "- - fired - fired", vec![2, 3, 4, 27, 28]),
        ("20 3 * * *", "- -", vec![4, 5]),
        ("0 3 * * *", "fired -", vec![3, 4]),
        // Several in a gap are one.
        ("0 3 * * *", "- fired - fired", vec![2, 80, 98, 99]),
        // What was suppressed is gone.
        ("0 3,5 * * *", "- fired cooldown - -", vec![2, 3, 5, 8, 9]),
        ("0 3 * * 5-6", "- - fired - fired", vec![2, 3, 27, 50, 51]),
        ("0 3 2 * 4", "fired fired", vec![3, 27]),
    ] {
        let hours: Vec<Hour> = hours.into_iter().map(hour).collect();
        assert_eq!(play(&[cron(text)], &hours), expected, "{text}");
    }
    let mut judge = Judge::new("late", &[cron("20 3 * * *")], &[Span::DAY]).expect("it is good");
    assert_eq!(judge_hour(&mut judge, &hour(2)), None);
    let decision = judge_hour(&mut judge, &hour(4)).expect("it is due");
    assert_eq!(
        (decision.causes[0].kind.as_str(), decision.text().as_str()),
        ("schedule", "cron 20 3 * * * due 1970-01-01T03:20:00Z")
    );
}

#[test]
fn new_data_is_enough_by_share_or_by_time() {
    let more = |at, new_examples, window| Hour { new_examples, window, ..hour(at) };
    let share = new_data(NewData::Share(0.1));
    let hours = [more(1, 0, 0), more(2, 39, 400), more(3, 40, 400), more(4, 40, 401), more(9, 1, 0), more(10, 1, 10)];
    assert_eq!(play(&[share], &hours), "- - fired - - fired");

    let since = |at, trained, new_examples| Hour { trained, new_examples, ..hour(at) };
    let after = new_data(NewData::After(Span(6 * HOUR)));
    // Before the first training from the first boundary; nothing new is no reason.
    let hours = [since(2, None, 5), since(7, None, 5), since(8, None, 0), since(9, None, 1)];
    assert_eq!(play(std::slice::from_ref(&after), &hours), "- - - fired");
    let hours = [since(2, Some(1), 1), since(6, Some(1), 1), since(7, Some(1), 1), since(12, Some(6), 1)];
    assert_eq!(play(std::slice::from_ref(&after), &hours), "- - fired fired");
    let mut judge = Judge::new("late", &[after], &[Span::DAY]).expect("it is good");
    let decision = judge_hour(&mut judge, &since(7, Some(1), 3)).expect("it is due");
    assert_eq!(decision.text(), "6h since 1970-01-01T01:00:00Z, the newest example of the last training");
}

#[test]
fn an_episode_is_one_decision_and_ends_when_it_is_rearmed() {
    // 0.42 is where it fires, 0.408 where it is armed again.
    let loss = |at, loss| Hour { loss: Some(loss), ..hour(at) };
    let unknown = |at| Hour { loss: None, ..hour(at) };
    let few = |at, loss| Hour { labels: 1, loss: Some(loss), ..hour(at) };
    let busy = |at| Hour { training: true, ..bad(at) };
    for (expected, hours) in [
        ("fired - - -", vec![bad(1), loss(9, 0.41), bad(17), bad(25)]),
        ("fired - fired", vec![bad(1), loss(9, 0.4), bad(17)]),
        // Neither the end of a training nor what is unknown ends it.
        ("fired - - -", vec![bad(1), busy(2), bad(9), bad(10)]),
        ("fired - - - fired", vec![bad(1), unknown(2), bad(9), hour(10), bad(17)]),
        // What is suppressed is recorded once, and fires if it is still so; else the episode ends without a decision.
        (
            "warm_up - - fired - - fired",
            vec![few(1, 0.5), few(2, 0.41), few(3, 0.5), bad(4), bad(10), hour(11), bad(17)],
        ),
        ("warm_up - - warm_up", vec![few(1, 0.5), few(2, 0.41), few(3, 0.4), few(4, 0.5)]),
    ] {
        assert_eq!(play(&[lasting_degradation()], &hours), expected, "{hours:?}");
    }
    // Without hysteresis each crossing is a decision.
    let crossings = [bad(1), loss(9, 0.41), bad(17), loss(25, 0.41), bad(33)];
    assert_eq!(play(&[degradation()], &crossings), "fired - fired - fired");
    assert_eq!(play(&[lasting_degradation()], &crossings), "fired - - - -");
}

#[test]
fn manual_instants_fire_once_and_requests_at_their_boundary() {
    let at = vec![Time(2 * HOUR + 1), Time(2 * HOUR + 2), Time(20 * HOUR)];
    let asked = |at| Hour { manual: 1, ..hour(at) };
    let hours = [hour(2), hour(3), hour(4), asked(5), asked(9), hour(19), hour(20)];
    assert_eq!(play(&[spec(CauseSpec::Manual { at })], &hours), "- fired - cooldown fired - budget");
    // Without a manual trigger a request meets the defaults: here their warm-up of 1000 labels.
    assert_eq!(play(&[], &[asked(1)]), "warm_up");
    assert_eq!(play(&[], &[Hour { labels: 1000, ..asked(1) }]), "fired");
}

#[test]
fn causes_at_one_boundary_make_one_decision() {
    let schedule = TriggerSpec { warm_up: 1000, ..spec(CauseSpec::Schedule { every: Span(HOUR) }) };
    let mut judge = Judge::new("late", &[adwin(), degradation(), schedule], &[Span::DAY]).expect("they are good");
    assert_eq!(judge_hour(&mut judge, &hour(1)), None);
    let decision = judge_hour(&mut judge, &Hour { drift: true, ..bad(2) }).expect("it fires");
    assert_eq!(
        decision.line(),
        concat!(
            r#"{"at":"1970-01-01T02:00:00Z","decision":"late-1970-01-01T02:00:00Z","model":"late","kind":"retrain","#,
            r#""verdict":"fired","reason":null,"causes":["#,
            r#"{"trigger":0,"kind":"drift","suppressed":null,"figures":{"adwin":0.25},"#,
            r#""text":"adwin error 0.2500 at 1970-01-01T01:59:59.999999Z"},"#,
            r#"{"trigger":1,"kind":"degradation","suppressed":null,"#,
            r#""figures":{"log_loss[1d]":0.5,"log_loss_at_release":0.4},"text":"#,
            r#""log_loss[1d] > 1.05 * log_loss_at_release with log_loss[1d] = 0.500000, "#,
            r#"log_loss_at_release = 0.400000"},"#,
            r#"{"trigger":2,"kind":"schedule","suppressed":"warm_up","figures":{"occurrence":1.0},"text":"every 1h"}]}"#
        )
    );
    assert!(decision.fired());
    assert!(!decision.text().contains("every 1h"));
    assert_eq!(serde_json::from_str::<Decision>(&decision.line()).expect("it reads back"), decision);
}

#[test]
fn faults_of_conditions_name_their_trigger() {
    let mut wrong = degradation();
    if let CauseSpec::Degradation { when, .. } = &mut wrong.cause {
        when.value = "log_loss[9d] > x[1d]".to_string();
    }
    let faults = Judge::new("late", &[adwin(), wrong], &[Span::DAY]).expect_err("it is refused");
    assert_eq!(
        faults.iter().map(|(place, fault)| (*place, fault.span.clone())).collect::<Vec<_>>(),
        [(1, 8..12), (1, 15..16)]
    );
}

#[test]
fn faults_are_placed_in_the_file() {
    let text = "[model.late]\nwhen = 'log_los[1d] > 1 and brier[9d] > 1'\n";
    let start = text.find('\'').expect("it is quoted");
    let mut wrong = degradation();
    if let CauseSpec::Degradation { when, .. } = &mut wrong.cause {
        *when = Spanned { value: text[start + 1..text.len() - 2].to_string(), span: start + 1..text.len() - 2 };
    }
    let model = model(vec![degradation(), wrong]);
    let places: Vec<&str> = check_triggers(&model).iter().map(|fault| &text[fault.span.clone()]).collect();
    assert_eq!(places, ["log_los", "[9d]"]);
    let mut rearmed = degradation();
    if let CauseSpec::Degradation { rearm, .. } = &mut rearmed.cause {
        *rearm = Some(Spanned { value: "log_los[1d] < 1".to_string(), span: 20..35 });
    }
    let faults = check_triggers(&ModelSpec { triggers: vec![rearmed.clone()], ..model.clone() });
    assert_eq!(faults.iter().map(|fault| (fault.span.start, fault.span.end)).collect::<Vec<_>>(), [(20, 27)]);
    // A figure that is never published would leave the condition unknown for ever.
    if let CauseSpec::Degradation { rearm, .. } = &mut rearmed.cause {
        let value = "log_loss[1d] < brier_at_release and estimated_accuracy[1d] > roc_auc[1d]".to_string();
        *rearm = Some(Spanned { span: 20..20 + value.len(), value });
    }
    let faults = check_triggers(&ModelSpec { triggers: vec![rearmed], ..model.clone() });
    let found: Vec<_> = faults.iter().map(|fault| (fault.span.clone(), fault.message.as_str())).collect();
    let expected = [
        (35..40, "`brier` is not published"),
        (66..74, "`accuracy` is not estimated"),
        (81..88, "`roc_auc` is not published"),
    ];
    assert_eq!(found, expected);
    assert_eq!(check_triggers(&ModelSpec { triggers: vec![degradation(), adwin()], ..model }), []);
}

fn model(triggers: Vec<TriggerSpec>) -> ModelSpec {
    ModelSpec {
        name: "late".to_string(),
        task: Task::Binary,
        learner: LearnerSpec::GaussianNb,
        retrain: Vec::new(),
        metrics: MetricsSpec { windows: vec![Span::DAY], names: vec![Metric::LogLoss], ..MetricsSpec::default() },
        triggers,
        train: TrainSpec {
            window: Span(365 * Span::DAY.0),
            calibration: 0.3,
            deadline: None,
            max_memory_mib: None,
            holdout: 0.2,
            activate_after: Span::DAY,
            max_examples: 10_000,
            min_examples: 500,
            ablate: false,
        },
        gate: GateSpec::of(Metric::LogLoss, 0.0),
        deploy: DeploySpec::of(crate::config::spec::Strategy::Immediate, Task::Binary),
        freeze_at: Vec::new(),
    }
}

fn any_hours() -> impl Strategy<Value = Vec<Hour>> {
    let any = (1i64..9, 0u64..40, 0u64..80, 0u32..2, any::<bool>(), 0.3f64..0.6, 0u8..5, any::<bool>());
    prop::collection::vec(any, 1..120).prop_map(|steps| {
        let mut at = 0;
        let walk = steps.into_iter().map(|(step, labels, new_examples, manual, training, loss, known, drift)| {
            at += step;
            let loss = (known > 0).then_some(loss);
            Hour { at, labels, new_examples, manual, training, loss, drift, ..hour(0) }
        });
        walk.collect()
    })
}

fn all_triggers() -> Vec<TriggerSpec> {
    let manual = TriggerSpec { cooldown: Span(2 * HOUR), ..spec(CauseSpec::Manual { at: vec![Time(7 * HOUR)] }) };
    let schedule = spec(CauseSpec::Schedule { every: Span(6 * HOUR) });
    let more = [NewData::Examples(50), NewData::Share(0.15), NewData::After(Span(30 * HOUR))].map(new_data);
    let mut all = vec![adwin(), degradation(), lasting_degradation(), schedule, manual, cron("30 */7 * * 1-5")];
    all.extend(more);
    all
}

proptest! {
    #[test]
    fn limits_hold_on_every_walk(hours in any_hours()) {
        let triggers = all_triggers();
        let mut judge = Judge::new("late", &triggers, &[Span::DAY]).expect("they are good");
        let mut last_firing: Option<Time> = None;
        let mut counted = std::collections::BTreeMap::new();
        for hour in &hours {
            let Some(decision) = judge_hour(&mut judge, hour) else { continue };
            prop_assert!(!decision.causes.is_empty());
            prop_assert_eq!(decision.fired(), decision.causes.iter().any(|c| c.suppressed.is_none()));
            prop_assert_eq!(decision.fired(), decision.reason.is_none());
            prop_assert!(!(decision.fired() && hour.training));
            for cause in decision.causes.iter().filter(|cause| cause.suppressed.is_none()) {
                let spec = &triggers[cause.trigger as usize];
                prop_assert!(last_firing.is_none_or(|last| decision.at >= last.plus(spec.cooldown)));
                prop_assert!(hour.labels >= spec.warm_up);
                let firings = counted.entry((cause.trigger, decision.at.0 / Span::DAY.0)).or_insert(0);
                *firings += 1;
                prop_assert!(*firings <= spec.daily_budget);
            }
            if decision.fired() {
                last_firing = Some(decision.at);
            }
        }
    }

    #[test]
    fn an_episode_has_at_most_one_firing(hours in any_hours()) {
        let mut judge = Judge::new("late", &[lasting_degradation()], &[Span::DAY]).expect("it is good");
        let mut fired = false;
        for hour in &hours {
            let now = judge_hour(&mut judge, hour).is_some_and(|decision| {
                decision.causes.iter().any(|cause| cause.kind == "degradation" && cause.suppressed.is_none())
            });
            prop_assert!(!(now && fired), "a second one at {}", hour.at);
            fired = (fired || now) && hour.loss.is_none_or(|loss| loss >= 1.02 * 0.4);
        }
    }

    #[test]
    fn a_resumed_judge_goes_on_equally(hours in any_hours(), cut in 0usize..120) {
        let triggers = all_triggers();
        let fresh = || Judge::new("late", &triggers, &[Span::DAY]).expect("they are good");
        let mut whole = fresh();
        let mut parts = fresh();
        for (i, hour) in hours.iter().enumerate() {
            if i == cut {
                let saved = serde_json::to_vec(parts.state()).expect("a state serializes");
                parts = fresh();
                parts.resume(serde_json::from_slice(&saved).expect("a state reads back"));
            }
            prop_assert_eq!(judge_hour(&mut whole, hour), judge_hour(&mut parts, hour));
            prop_assert_eq!(whole.state(), parts.state());
        }
    }
}
