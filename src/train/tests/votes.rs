//! Trainings with candidates that only vote, with classes that weigh differently, and with limits.

use super::*;
use crate::config::spec::{AdaBoost, Cart, ClassWeight, RandomForest, Retrain, Svm};

/// The job with these batch learners, and the older 60 of the 200 held-out rows to calibrate by.
fn voting(learners: Vec<Retrain>) -> Job {
    Job { retrain: learners, ..job(0.5, 0.5) }
}

fn svm() -> RetrainSpec {
    RetrainSpec::Svm(Svm { c: 1.0, max_iterations: 100 })
}

#[test]
fn votes_are_calibrated_where_nobody_judges() {
    let logistic = RetrainSpec::Logistic { alpha: 1.0, max_iterations: 100 };
    let job = voting(vec![svm().into(), logistic.into()]);
    let Verdict::Released { report, .. } = run(&job, &|| true) else { panic!("it is better than a coin") };
    let calibrated = report.calibrated.expect("a candidate votes");
    // Labels are known five hours later, and rows are an hour apart.
    assert_eq!((report.held_out, calibrated.rows, calibrated.not_yet_known), (140, 56, 4));
    assert_eq!((report.fitted, report.not_yet_known), (796, 4), "as if all of it were held out");
    assert_eq!(calibrated.window.map(|window| window.from), Some(Time(800 * Span::HOUR.0)));
    assert_eq!(report.held_out_window.map(|window| window.from), Some(Time(860 * Span::HOUR.0)));
    let [plane, line] = &report.candidates[..] else { panic!("two candidates") };
    assert_eq!((plane.calibration.len(), line.calibration.len()), (1, 0));
    let loss = |of: &Candidate| of.figures.as_ref().expect("it fits")["log_loss"];
    assert!((loss(plane) - loss(line)).abs() < 0.08, "the labels follow a line: {} and {}", loss(plane), loss(line));
    // Not calibrated, distances from a plane are no logits.
    let raw = Retrain { calibrated: false, ..svm().into() };
    let raw = run(&voting(vec![raw]), &|| true);
    assert!(batch(raw.report())["log_loss"] > loss(plane) + 0.05, "{}", batch(raw.report())["log_loss"]);
    assert!(raw.report().calibrated.is_none());

    // Labels that judge do not calibrate; those of rows to calibrate by do, and fit nothing.
    let lines = |job: &Job| run(job, &|| true).report().candidates[0].calibration.clone();
    let (mut judging, mut late, mut calibrating) = (job.clone(), job.clone(), job.clone());
    edit(&mut judging, |i, example| turn(example, i >= 860));
    edit(&mut late, |i, example| turn(example, (856..860).contains(&i)));
    edit(&mut calibrating, |i, example| turn(example, (800..856).contains(&i)));
    assert_eq!(lines(&judging), plane.calibration);
    assert_eq!(lines(&late), plane.calibration, "their labels were not known yet");
    assert!(lines(&calibrating)[0].slope < 0.0 && plane.calibration[0].slope > 0.0);
    let other = run(&calibrating, &|| true);
    assert_eq!(other.report().candidates[1].digest, line.digest, "nothing is fitted on them");
}

/// What is released is fitted on all rows, and has the line of what was judged.
#[test]
fn a_release_keeps_its_calibration() {
    let tree = Cart { max_leaf_nodes: 16, min_samples_leaf: 20 };
    let forest = RandomForest { n_estimators: 20, max_features: None, seed: 0, tree };
    for calibrated in [true, false] {
        let forest = Retrain { calibrated, ..RetrainSpec::RandomForest(forest).into() };
        let Verdict::Released { body, report, .. } = run(&voting(vec![forest]), &|| true) else {
            panic!("it is better than a coin")
        };
        let Body::VotingTrees(model) = body else { panic!("another kind") };
        assert_eq!((model.examples, model.calibration.len()), (1000, usize::from(calibrated)));
        assert_eq!(model.calibration, report.candidates[0].calibration);
        assert_eq!(report.calibrated.is_some(), calibrated);
    }
}

#[test]
fn several_classes_are_calibrated_each_against_the_rest() {
    let tree = Cart { max_leaf_nodes: 4, min_samples_leaf: 20 };
    let boosting = AdaBoost { n_estimators: 20, learning_rate: 0.5, tree };
    let mut job = voting(vec![RetrainSpec::AdaBoost(boosting).into()]);
    job.task = Task::Multiclass(3);
    let no_idea = Prediction::unknown(job.task);
    edit(&mut job, |i, example| {
        let class = (example.vector.dense[0] + 2.0 + noise(i, 5) / 2.0).clamp(0.0, 3.9) / 1.34;
        example.label = Label::class(class as usize);
        (example.served, example.live) = (no_idea.clone(), no_idea.clone());
    });
    let Verdict::Released { report, .. } = run(&job, &|| true) else { panic!("it is better than no idea") };
    assert_eq!(report.candidates[0].calibration.len(), 3);
    assert!(batch(&report)["accuracy"] > 0.75 && batch(&report)["log_loss"] < 0.7, "{:?}", batch(&report));
}

#[test]
fn weights_are_on_the_card_and_figures_are_of_rows_alike() {
    let logistic = RetrainSpec::Logistic { alpha: 1.0, max_iterations: 100 };
    let each = ClassWeight::Each(vec![1.0, 5.0]);
    let weighed = Retrain { class_weight: each.clone(), ..logistic.clone().into() };
    let verdict = run(&voting(vec![logistic.into(), weighed]), &|| true);
    let [even, weighed] = &verdict.report().candidates[..] else { panic!("two candidates") };
    assert_eq!((&even.class_weight, &weighed.class_weight), (&ClassWeight::Even, &each));
    let loss = |of: &Candidate| of.figures.as_ref().expect("it fits")["log_loss"];
    assert!(loss(weighed) > loss(even) + 0.1, "its probabilities are shifted: {} and {}", loss(weighed), loss(even));
}

#[test]
fn a_fit_that_would_keep_too_much_is_refused_and_the_others_go_on() {
    let logistic = RetrainSpec::Logistic { alpha: 1.0, max_iterations: 100 };
    let tree = RetrainSpec::DecisionTree(Cart { max_leaf_nodes: 16, min_samples_leaf: 20 });
    let mut job = voting(vec![logistic.into(), tree.into()]);
    let needed = {
        let parts: Vec<_> = job.examples.iter().map(|e| (e.vector.as_ref(), e.label)).collect();
        let rows = Rows::new(parts, job.width, job.task).expect("they are rows");
        job.retrain.iter().map(|retrain| estimator(&retrain.learner).bytes(&rows)).collect::<Vec<_>>()
    };
    assert!(needed[0] > 100_000 && needed[1] < 100_000, "{needed:?}");
    // A mebibyte is more than either keeps of so few rows.
    job.train.max_memory_mib = Some(1);
    assert!(run(&job, &|| true).report().candidates.iter().all(|candidate| candidate.error.is_none()));
    let wide: Vec<f64> = vec![1.0; 600];
    job.width = 603;
    edit(&mut job, |_, example| {
        let dense: Vec<f64> = example.vector.dense.iter().chain(&wide).copied().collect();
        let hot = example.vector.hot.iter().map(|slot| slot + 600).collect();
        example.vector = Arc::new(Vector { dense: dense.into(), hot });
    });
    job.features = Vec::new();
    job.train.max_memory_mib = Some(5);
    let verdict = run(&job, &|| true);
    let [line, tree] = &verdict.report().candidates[..] else { panic!("two candidates") };
    let error = line.error.as_deref().expect("a matrix is too much");
    assert!(error.contains("bytes, allowed are 5242880 (`max_memory_mib`)"), "{error}");
    assert!(tree.error.is_none() && verdict.report().best == Some(1), "{tree:?}");
}

#[test]
fn a_training_that_nobody_waits_for_fails() {
    let job = job(0.5, 0.5);
    let Verdict::Failed { reason, .. } = run(&job, &|| false) else { panic!("nothing was fitted") };
    assert_eq!(reason, "given up");
    let Verdict::Failed { reason, report } = given_up(&job, "too late") else { panic!("it is a failure") };
    assert_eq!((reason.as_str(), report.held_out, report.candidates.len()), ("too late", 200, 0));
    assert!(report.champion.contains_key("log_loss"), "what is known without a fit is told");
}
