//! A training from end to end: who is held out, who is fitted, who is judged by what, and who passes.

use super::*;
use crate::config::spec::{Boosting, ElasticNet, GateSpec, Metric, OptimizerSpec, SliceGate, TrainSpec};
use crate::feature::Vector;
use crate::feature::program::Slots;
use crate::model::{Artifact, Fixed, Logistic};
use crate::task::{Label, Prediction, Task};
use crate::time::{Span, Time};
use std::sync::Arc;

mod votes;

const ROWS: i64 = 1000;

/// A fixed stream of pseudo-random numbers in [0, 1).
fn noise(i: i64, salt: u64) -> f64 {
    (crate::record::digest64(&(i as u64 ^ salt << 40).to_le_bytes()) >> 11) as f64 / (1u64 << 53) as f64
}

/// Rows an hour apart; a label is known five hours later. The label follows the first slot.
fn example(i: i64, served: f64, live: f64) -> Arc<Example> {
    let x = 4.0 * noise(i, 1) - 2.0;
    Arc::new(Example {
        id: format!("{i:06}").into(),
        predicted: Time(i * Span::HOUR.0),
        known: Time((i + 5) * Span::HOUR.0),
        vector: Arc::new(Vector { dense: [x].into(), hot: [1 + (i % 2) as u32].into() }),
        label: (noise(i, 2) < 1.0 / (1.0 + (-2.0 * x).exp())).into(),
        served: served.into(),
        live: live.into(),
        no_change: Some(0.5.into()),
        slices: [["a", "b", "c"][(i % 3) as usize].into()].into_iter().collect(),
    })
}

fn job(served: f64, live: f64) -> Job {
    let mut learner = Logistic::new(3, &OptimizerSpec::sgd(0.01), 0.0);
    crate::model::Learner::learn(&mut learner, &Vector { dense: [1.0].into(), hot: [1].into() }, true.into());
    Job {
        examples: (0..ROWS).map(|i| example(i, served, live)).collect(),
        width: 3,
        features: vec![
            Slots { feature: "x".to_string(), slots: 0..1, rolling: true },
            Slots { feature: "odd".to_string(), slots: 1..3, rolling: false },
        ],
        features_digest: "0a".to_string(),
        model: "late".to_string(),
        task: Task::Binary,
        retrain: vec![RetrainSpec::Logistic { alpha: 1.0, max_iterations: 100 }.into()],
        train: TrainSpec {
            window: Span(365 * Span::DAY.0),
            holdout: 0.2,
            calibration: 0.3,
            deadline: None,
            max_memory_mib: None,
            activate_after: Span::DAY,
            max_examples: 10_000,
            min_examples: 500,
            ablate: true,
        },
        gate: GateSpec::of(Metric::LogLoss, 0.0),
        golden: Arc::default(),
        live: Body::Logistic(learner),
        champion_is_live: false,
        start_from: None,
        pushed: None,
    }
}

fn batch(report: &Report) -> &Figures {
    report.batch().and_then(|candidate| candidate.figures.as_ref()).expect("there is a candidate")
}

/// The digest of what was judged.
fn judged(report: &Report) -> Option<String> {
    report.batch()?.digest.clone()
}

fn edit(job: &mut Job, change: impl Fn(i64, &mut Example)) {
    for (i, example) in job.examples.iter_mut().enumerate() {
        change(i as i64, Arc::make_mut(example));
    }
}

fn turn(example: &mut Example, which: bool) {
    example.label = (example.label.is_true() != which).into();
}

fn falsify(example: &mut Example, which: bool) {
    example.label = (example.label.is_true() && !which).into();
}

#[test]
fn a_better_candidate_is_released_refitted() {
    let job = job(0.5, 0.5);
    let Verdict::Released { body, source, report } = run(&job, &|| true) else { panic!("it is better than a coin") };
    assert_eq!(source, Contestant::Batch);
    assert_eq!((report.examples, report.held_out, report.refitted), (1000, 200, 1000));
    // The label of row i is known at i + 5, and the first held-out prediction is that of row 800.
    assert_eq!((report.fitted, report.not_yet_known), (796, 4));
    assert_eq!(report.held_out_window, Some(Bounds { from: Time(800 * Span::HOUR.0), to: Time(999 * Span::HOUR.0) }));
    assert!((report.champion["log_loss"] - std::f64::consts::LN_2).abs() < 1e-9);
    assert!(batch(&report)["log_loss"] < report.majority["log_loss"]);
    let bytes = Artifact::new("late", "0a", 3, body.clone()).expect("it is in range").to_bytes();
    assert_eq!(report.digest, Some(Artifact::digest(&bytes)));
    assert_ne!(judged(&report), report.digest);
    assert_eq!(body.updates(), 1000);
    // The label follows `x` alone, which is said to be rolling: without it nothing is known.
    let [x, odd] = &report.importance[..] else { panic!("two features: {:?}", report.importance) };
    assert!(x.increase > 5.0 * x.error && x.increase > 0.1, "{x:?}");
    assert!(odd.increase.abs() < 0.01, "{odd:?}");
    let bare = report.without_rolling.as_ref().expect("it was asked for");
    assert!(bare["log_loss"] > batch(&report)["log_loss"] + 0.1 && (bare["roc_auc"] - 0.5).abs() < 0.1, "{bare:?}");
    let text = serde_json::to_string(&report).expect("a report serializes");
    assert!(text.contains(r#""window":{"from":"1970-01-01T00:00:00Z""#), "{text}");
    assert_eq!(serde_json::from_str::<Report>(&text).expect("it reads back"), report);
}

#[test]
fn the_candidate_is_judged_by_a_fit_that_saw_no_later_label() {
    let honest = run(&job(0.5, 0.5), &|| true);
    // Turning every label that was not known yet, held out or not, changes nothing in what was fitted for the gate.
    let mut turned = job(0.5, 0.5);
    edit(&mut turned, |i, example| turn(example, i + 5 > 800));
    let turned = run(&turned, &|| true);
    assert_eq!(judged(honest.report()), judged(turned.report()));
    assert!(batch(turned.report())["log_loss"] > 1.0);
    assert_eq!(turned.word(), "rejected");
    // One label that was known just in time is another fit.
    let mut known = job(0.5, 0.5);
    edit(&mut known, |i, example| turn(example, i == 795));
    assert_ne!(judged(honest.report()), judged(run(&known, &|| true).report()));
}

#[test]
fn champion_and_live_are_judged_by_what_they_said_then() {
    let mut job = job(0.5, 0.5);
    edit(&mut job, |i, example| {
        example.served = (0.1 + 0.8 * noise(i, 3)).into();
        example.live = (0.1 + 0.8 * noise(i, 4)).into();
    });
    let verdict = run(&job, &|| true);
    for (figures, score) in [
        (&verdict.report().champion, (|e| e.served.score()) as fn(&Example) -> f64),
        (&verdict.report().live, |e| e.live.score()),
    ] {
        let held_out = &job.examples[800..];
        let losses = held_out.iter().map(|e| if e.label.is_true() { -score(e).ln() } else { -(1.0 - score(e)).ln() });
        let expected = losses.sum::<f64>() / 200.0;
        assert!((figures["log_loss"] - expected).abs() < 1e-9);
        let right = held_out.iter().filter(|e| (score(e) > 0.5) == e.label.is_true()).count();
        assert_eq!(figures["accuracy"], right as f64 / 200.0);
    }
}

/// What a training comes to when the champion served, and the online learner said, the truth with this much confidence.
fn verdict(served: f64, live: f64, change: impl Fn(&mut Job)) -> (&'static str, Option<Contestant>) {
    let mut job = job(0.5, 0.5);
    edit(&mut job, |_, example| {
        let toward = |confidence: f64| (if example.label.is_true() { confidence } else { 1.0 - confidence }).into();
        (example.served, example.live) = (toward(served), toward(live));
    });
    change(&mut job);
    let verdict = run(&job, &|| true);
    let source = if let Verdict::Released { source, .. } = &verdict { Some(*source) } else { None };
    (verdict.word(), source)
}

#[test]
fn what_was_pushed_is_judged_as_it_is() {
    let good = || Body::Logistic(Logistic::fitted(vec![2.0, 0.0, 0.0], 0.0, 7));
    let bad = || Body::Logistic(Logistic::fitted(vec![-2.0, 0.0, 0.0], 0.0, 7));
    let pushed = |body: Body| move |job: &mut Job| job.pushed = Some(body.clone());
    assert_eq!(verdict(0.5, 0.5, pushed(good())), ("released", Some(Contestant::Pushed)));
    assert_eq!(verdict(0.5, 0.5, pushed(bad())), ("rejected", None));
    assert_eq!(verdict(0.5, 0.95, pushed(good())).1, Some(Contestant::Pushed), "only the champion stands against it");
    assert_eq!(verdict(0.95, 0.5, pushed(good())), ("rejected", None));

    let mut job = Job { pushed: Some(good()), ..job(0.5, 0.5) };
    let Verdict::Released { body, report, .. } = run(&job, &|| true) else { panic!("it is better than a coin") };
    let wanted = Artifact::digest(&Artifact::new("late", "0a", 3, good()).expect("it is usable").to_bytes());
    assert_eq!((&body, report.digest.as_deref()), (&good(), Some(wanted.as_str())));
    assert_eq!((report.fitted, report.refitted, report.candidates.len()), (0, 0, 1));
    assert_eq!((judged(&report), report.candidates[0].parameters.name()), (Some(wanted), "pushed"));
    assert!(report.majority["log_loss"] > 0.6, "what a constant score would have come to is still known");

    job.examples.truncate(100);
    let Verdict::Failed { reason, .. } = run(&job, &|| true) else { panic!("there is nothing to judge by") };
    assert_eq!(reason, "100 rows to judge by, at least 500 are needed");
}

#[test]
fn the_better_one_stands_before_the_gate() {
    let live_is_champion = |job: &mut Job| job.champion_is_live = true;
    let no_batch = |job: &mut Job| job.retrain.clear();
    let one_class_known = |job: &mut Job| edit(job, |i, example| falsify(example, i < 800));
    assert_eq!(verdict(0.5, 0.5, |_| ()), ("released", Some(Contestant::Batch)));
    assert_eq!(verdict(0.5, 0.9, |_| ()), ("released", Some(Contestant::Live)));
    assert_eq!(verdict(0.95, 0.9, |_| ()), ("rejected", None));
    assert_eq!(verdict(0.9, 0.9, live_is_champion), ("kept", None));
    assert_eq!(verdict(0.5, 0.5, live_is_champion), ("released", Some(Contestant::Batch)));
    assert_eq!(verdict(0.5, 0.9, no_batch), ("released", Some(Contestant::Live)));
    assert_eq!(verdict(0.9, 0.9, no_batch), ("rejected", None), "as good is not better");
    assert_eq!(verdict(0.5, 0.5, |job| job.gate.margin = 0.5), ("rejected", None));
    assert_eq!(verdict(0.5, 0.5, |job| job.gate.metric = Metric::RocAuc), ("released", Some(Contestant::Batch)));
    assert_eq!(verdict(0.9, 0.4, |job| job.gate.metric = Metric::RocAuc), ("rejected", None));
    // No candidate: the online learner may still pass, but a failure is not hidden behind "kept" or "rejected".
    assert_eq!(verdict(0.5, 0.9, one_class_known), ("released", Some(Contestant::Live)));
    assert_eq!(verdict(0.9, 0.9, one_class_known), ("failed", None));
    assert_eq!(verdict(0.9, 0.9, |job| (live_is_champion(job), one_class_known(job)).0), ("failed", None));
}

#[test]
fn what_cannot_be_judged_says_why() {
    let reason = |change: &dyn Fn(&mut Job)| {
        let mut job = job(0.5, 0.5);
        change(&mut job);
        match run(&job, &|| true) {
            Verdict::Failed { reason, report } => (reason, report),
            other => panic!("{} instead of failed", other.word()),
        }
    };
    for rows in [0, 1, 2, 499] {
        let (text, report) = reason(&|job| job.examples.truncate(rows));
        assert!(text.contains(&format!("{rows} rows to fit, at least 500")), "{text}");
        assert_eq!(report.examples, rows as u64);
    }
}

#[test]
fn a_holdout_of_one_class_has_no_auc() {
    let mut job = job(0.5, 0.5);
    job.gate.metric = Metric::RocAuc;
    edit(&mut job, |i, example| falsify(example, i >= 800));
    let Verdict::Failed { reason, report } = run(&job, &|| true) else { panic!("an AUC of one class") };
    assert_eq!(reason, "roc_auc is undefined on the 200 held-out rows");
    assert!(!report.champion.contains_key("roc_auc") && report.champion.contains_key("log_loss"));
}

#[test]
fn verdicts_are_deterministic_and_a_start_is_forgotten() {
    let cold = job(0.5, 0.5);
    let (first, again) = (run(&cold, &|| true), run(&cold, &|| true));
    assert_eq!(first, again);
    let Verdict::Released { body, .. } = first else { panic!("it is released") };
    let warm = Job { start_from: Some(body.clone()), ..cold.clone() };
    let Verdict::Released { body: warm, .. } = run(&warm, &|| true) else { panic!("it is released") };
    for example in &cold.examples {
        let (a, b) = (Fixed::from(body.clone()), Fixed::from(warm.clone()));
        assert!((a.score(&example.vector) - b.score(&example.vector)).abs() < 0.01);
    }
}

#[test]
fn a_live_release_is_the_learner_as_it_stood() {
    let mut job = job(0.5, 0.9);
    job.retrain.clear();
    edit(&mut job, |_, example| example.live = (if example.label.is_true() { 0.9 } else { 0.1 }).into());
    let Verdict::Released { body, report, .. } = run(&job, &|| true) else { panic!("it is released") };
    assert_eq!(body, job.live);
    let bytes = Artifact::new("late", "0a", 3, job.live.clone()).expect("it is in range").to_bytes();
    assert_eq!((judged(&report), report.digest), (None, Some(Artifact::digest(&bytes))));
}

#[test]
fn of_several_candidates_the_best_stands_before_the_gate() {
    let mut job = job(0.5, 0.5);
    // Labels that a line cannot tell apart.
    edit(&mut job, |i, example| {
        let away = example.vector.dense[0].abs();
        example.label = (noise(i, 2) < 1.0 / (1.0 + (8.0 - 8.0 * away).exp())).into();
    });
    let boosting = RetrainSpec::GradientBoosting(Boosting {
        max_iter: 20,
        learning_rate: 0.1,
        max_leaf_nodes: 8,
        min_samples_leaf: 20,
        l2_regularization: 0.0,
    });
    let spoilt = RetrainSpec::Logistic { alpha: 0.0, max_iterations: 1 };
    let logistic = RetrainSpec::Logistic { alpha: 1.0, max_iterations: 100 };
    job.retrain = vec![spoilt.into(), logistic.into(), boosting.into()];
    let Verdict::Released { body, report, .. } = run(&job, &|| true) else { panic!("it is better than a coin") };
    assert_eq!((body.kind(), report.best, report.candidates.len()), ("boosted_trees", Some(2), 3));
    let figures: Vec<Option<f64>> =
        report.candidates.iter().map(|c| c.figures.as_ref().map(|figures| figures["log_loss"])).collect();
    assert!(figures[1] > figures[2], "{figures:?}");
    assert_eq!(report.candidates[0].error.is_some(), figures[0].is_none());

    // The order in the file decides nothing but ties.
    job.retrain.reverse();
    let Verdict::Released { body: again, report, .. } = run(&job, &|| true) else { panic!("it is better than a coin") };
    assert_eq!((again, report.best), (body, Some(0)));
    job.retrain = vec![job.retrain[1].clone(); 2];
    assert_eq!(run(&job, &|| true).report().best, Some(0));
}

/// Each check passes or rejects by itself, and its figure is on record either way.
#[test]
fn every_check_of_the_gate_is_on_record() {
    let with = |change: &dyn Fn(&mut GateSpec), served: f64| {
        let mut job = job(served, 0.5);
        change(&mut job.gate);
        run(&job, &|| true)
    };
    let told = |verdict: &Verdict| -> Vec<(String, bool)> {
        verdict.report().checks.iter().map(|check| (check.check.clone(), check.passed)).collect()
    };
    let all = |gate: &mut GateSpec| {
        (gate.significance, gate.baseline, gate.max_ece) = (Some(0.01), true, Some(0.2));
    };
    let passed = with(&all, 0.5);
    let names = ["margin", "significance", "baseline", "max_ece"];
    assert_eq!(told(&passed), names.map(|name| (name.to_owned(), true)));
    assert!(matches!(passed, Verdict::Released { .. }));
    let paired = passed.report().paired.as_ref().expect("it stood before the gate");
    let report = passed.report();
    let difference = batch(report)["log_loss"] - report.champion["log_loss"];
    assert_eq!(paired.rows, 200);
    assert!((paired.difference - difference).abs() < 1e-9 && paired.low < difference && difference < paired.high);

    for name in ["margin", "max_ece", "significance"] {
        let mut job = job(0.5, 0.5);
        match name {
            "margin" => job.gate.margin = 5.0,
            "max_ece" => job.gate.max_ece = Some(1e-6),
            // The champion knows the truth, so nobody is surely better, by whatever margin.
            _ => {
                (job.gate.significance, job.gate.margin) = (Some(0.05), -1.0);
                edit(&mut job, |_, example| {
                    example.served = (1.0 / (1.0 + (-2.0 * example.vector.dense[0]).exp())).into()
                });
            }
        }
        let verdict = run(&job, &|| true);
        assert!(matches!(verdict, Verdict::Rejected { .. }), "{name}");
        assert!(told(&verdict).contains(&(name.to_owned(), false)), "{name}: {:?}", told(&verdict));
    }
    // A champion that was always wrong is easily beaten; a constant is beaten, or not, all the same.
    let mut noise = job(0.001, 0.5);
    edit(&mut noise, |i, example| example.label = (i % 2 == 0 || i % 7 == 0).into());
    edit(&mut noise, |i, example| {
        example.vector = Arc::new(Vector { dense: [(i % 3) as f64].into(), hot: [1].into() })
    });
    noise.gate.baseline = true;
    let verdict = run(&noise, &|| true);
    let baseline = verdict.report().checks.iter().find(|check| check.check == "baseline").expect("it was asked for");
    let gained = verdict.report().majority["log_loss"] - batch(verdict.report())["log_loss"];
    assert!((baseline.figure.expect("defined") - gained).abs() < 1e-12);
    assert_eq!(baseline.passed, gained > 0.0);
}

/// A model that is better on the whole and worse in one slice is told by it.
#[test]
fn no_slice_may_be_much_worse_than_the_champion() {
    let told = |max_worse: f64, min_rows: u64| {
        let mut job = job(0.5, 0.5);
        job.gate.slices = Some(SliceGate { by: vec!["who".to_owned()], max_worse, min_rows });
        // Of `c` the champion knew nearly the truth.
        edit(&mut job, |i, example| {
            if i % 3 == 2 {
                example.served = (if example.label.is_true() { 0.8 } else { 0.2 }).into();
            }
        });
        let verdict = run(&job, &|| true);
        let check = verdict.report().checks.iter().find(|check| check.check == "slices").expect("it was asked").clone();
        (verdict, check, job)
    };
    let (verdict, check, job) = told(0.05, 50);
    assert_eq!((verdict.word(), check.passed, check.slice.as_deref()), ("rejected", false, Some("who=c")));
    // As by looking at all rows of the slice anew.
    let mut alone = job.clone();
    alone.gate.slices = None;
    let Verdict::Released { report, .. } = run(&alone, &|| true) else { panic!("on the whole it is better") };
    let body = fit_for_gate(&job);
    let of_c: Vec<&Arc<Example>> = job.examples[800..].iter().filter(|e| e.slices[0] == "c").collect();
    let loss = |score: f64, truth: bool| -(if truth { score } else { 1.0 - score }).ln();
    let worse = of_c.iter().map(|e| {
        let truth = e.label.is_true();
        loss(body.score(&e.vector), truth) - loss(e.served.score(), truth)
    });
    let worse = worse.sum::<f64>() / of_c.len() as f64;
    assert!((check.figure.expect("defined") - worse).abs() < 1e-9, "{check:?}, not {worse}");
    assert!(report.checks.iter().all(|check| check.slice.is_none()));

    let (verdict, check, _) = told(5.0, 50);
    assert_eq!((verdict.word(), check.passed, check.limit), ("released", true, 5.0));
    // No slice is large enough: nothing is known, and what is not known does not pass.
    let (verdict, check, _) = told(5.0, 1000);
    assert_eq!((verdict.word(), check.figure, check.slice), ("rejected", None, None));
}

/// What the gate judges: fitted on the rows whose label was known by the first held-out prediction.
fn fit_for_gate(job: &Job) -> Fixed {
    let known = || job.examples[..800].iter().filter(|e| e.known <= job.examples[800].predicted);
    let rows = Rows::new(known().map(|e| (e.vector.as_ref(), e.label)), job.width, job.task).expect("they are rows");
    Fixed::from(estimator(&job.retrain[0].learner).fit(&rows, Some(&job.live)).expect("it fits"))
}

#[test]
fn a_candidate_may_have_to_beat_the_newest_label() {
    let told = |right: f64, known: bool| {
        let mut job = job(0.5, 0.5);
        job.gate.no_change = true;
        edit(&mut job, |_, example| {
            let said = if example.label.is_true() { right } else { 1.0 - right };
            example.no_change = known.then(|| said.into());
        });
        let verdict = run(&job, &|| true);
        let check = verdict.report().checks.iter().find(|check| check.check == "no_change").expect("asked").clone();
        let gained = -right.ln() - batch(verdict.report())["log_loss"];
        (verdict.word(), check, gained)
    };
    for (right, word) in [(0.5, "released"), (0.01, "released"), (0.99, "rejected")] {
        let (found, check, gained) = told(right, true);
        let figure = check.figure.expect("defined");
        assert_eq!((found, check.passed), (word, figure > 0.0), "{right}");
        assert!((figure - gained).abs() < 1e-9, "{figure}, not {gained}");
    }
    let (found, check, _) = told(0.5, false);
    assert_eq!((found, check.figure), ("rejected", None), "what is not known does not pass");
}

/// Three classes by the first slot, and a value: the same training, other tasks.
#[test]
fn other_tasks_are_trained_and_judged() {
    let boosting = RetrainSpec::GradientBoosting(Boosting {
        max_iter: 30,
        learning_rate: 0.2,
        max_leaf_nodes: 8,
        min_samples_leaf: 20,
        l2_regularization: 0.0,
    });
    let mut several = job(0.5, 0.5);
    several.task = Task::Multiclass(3);
    several.gate.baseline = true;
    several.retrain = vec![RetrainSpec::GaussianNb { var_smoothing: 1e-9 }.into(), boosting.clone().into()];
    let no_idea = Prediction::unknown(several.task);
    edit(&mut several, |i, example| {
        let class = (example.vector.dense[0] + 2.0 + noise(i, 5) / 2.0).clamp(0.0, 3.9) / 1.34;
        example.label = Label::class(class as usize);
        (example.served, example.live) = (no_idea.clone(), no_idea.clone());
    });
    let Verdict::Released { report, .. } = run(&several, &|| true) else { panic!("it is better than no idea") };
    assert!((report.champion["log_loss"] - 3.0_f64.ln()).abs() < 1e-9);
    let best = batch(&report);
    assert!(best["accuracy"] > 0.75 && best["kappa"] > 0.6 && best["f1"] > 0.7, "{best:?}");
    assert!(report.majority["accuracy"] < 0.6 && report.paired.is_some_and(|paired| paired.high < 0.0));

    let mut value = job(0.5, 0.5);
    value.task = Task::Regression;
    value.gate = GateSpec::of(Metric::Mae, 0.0);
    (value.gate.significance, value.gate.baseline) = (Some(0.01), true);
    let net = ElasticNet { penalty: 1e-3, l1_ratio: 0.5, max_iterations: 1000 };
    value.retrain = vec![RetrainSpec::ElasticNet(net).into(), boosting.into()];
    edit(&mut value, |i, example| {
        let amount = 100.0 + 50.0 * example.vector.dense[0] + 10.0 * noise(i, 6);
        example.label = Label::value(amount).expect("a value");
        (example.served, example.live) = (100.0.into(), 100.0.into());
    });
    let Verdict::Released { body, report, .. } = run(&value, &|| true) else { panic!("it is better than a constant") };
    assert_eq!((body.kind(), report.best), ("linear", Some(0)), "a line is what it is");
    let best = batch(&report);
    assert!(best["mae"] < 3.0 && best["r2"] > 0.99, "{best:?}");
    let trees = report.candidates[1].figures.as_ref().expect("it fits");
    assert!(trees["r2"] > 0.95, "{trees:?}");
}
