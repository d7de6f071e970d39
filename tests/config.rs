//! The pipeline file's reader: broken files against their complete reports, the design's example in full, and no text
//! at all that makes it panic.
//!
//! The reports are golden text beside the files, in `tests/configs/*.txt`. `TIDEMILL_BLESS=1 cargo test --test config`
//! writes them anew; read the difference before it is committed.

use proptest::prelude::*;
use std::path::{Path, PathBuf};
use tidemill::config::spec::{
    Cart, CauseSpec, ClassWeight, DeploySpec, DetectorSpec, Distance, FeatureKind, Function, LearnerSpec, Level,
    Metric, NewData, OptimizerSpec, Over, PipelineSpec, Publish, RandomForest, RetrainSpec, SliceGate,
    Strategy as Deploy,
};
use tidemill::config::{ConfigErrors, read};
use tidemill::launch::graph;
use tidemill::launch::load::check;
use tidemill::record::{Kind, Type};
use tidemill::task::Task;
use tidemill::time::{Span, Time};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs")
}

/// The files that pipelines here may name.
fn load(path: &str) -> Result<String, String> {
    match path {
        "datasets/flights/carriers.txt" => Ok("UA\nAA\n\nB6\n".into()),
        "twice.txt" => Ok("a\nb\na\n".into()),
        "empty.txt" => Ok("\n\n".into()),
        _ => Err("no such file".into()),
    }
}

fn text_of(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The example's deployment.
const CANARY: &str = "strategy = \"canary\"";

fn example() -> String {
    text_of("design/flights.toml")
}

fn parse(text: &str) -> Result<PipelineSpec, ConfigErrors> {
    read(text, "flights.toml", &load)
}

/// The example with what its text leaves out for shortness: numbers in the place of nulls.
fn complete() -> String {
    let mut text = example();
    for (from, to) in [
        ("\"weather.wind_speed\"", "{ expr = \"weather.wind_speed\", missing = 0 }"),
        ("over = \"3h\" }", "over = \"3h\", missing = 0 }"),
        ("over = \"1d\" }", "over = \"1d\", missing = 0 }"),
    ] {
        assert!(text.contains(from), "`{from}` is in the example");
        text = text.replace(from, to);
    }
    text
}

/// Compares with golden text, or writes it.
fn golden(name: &str, found: &str) -> Result<(), String> {
    let path = folder().join(name);
    if std::env::var_os("TIDEMILL_BLESS").is_some() {
        std::fs::write(&path, found).map_err(|e| format!("{name}: {e}"))?;
    }
    let wanted = std::fs::read_to_string(&path).map_err(|e| format!("{name}: {e}"))?;
    if wanted == found { Ok(()) } else { Err(format!("{name} differs.\nwanted:\n{wanted}\nfound:\n{found}")) }
}

#[test]
fn broken_files_are_reported_whole() {
    let mut faults = Vec::new();
    let mut seen = 0;
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder()).expect("the folder is there").map(|f| f.expect("an entry").path()).collect();
    files.sort();
    for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "toml")) {
        let stem = file.file_stem().and_then(|s| s.to_str()).expect("a plain name");
        let name = format!("{stem}.toml");
        match check(&text_of(&name), &name, &load) {
            Ok(_) => faults.push(format!("{name}: read without an error")),
            Err(errors) => faults.extend(golden(&format!("{stem}.txt"), &errors.to_string()).err()),
        }
        seen += 1;
    }
    assert!(seen >= 11, "only {seen} broken files were found");
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[test]
fn the_example_of_the_design_reads_in_full() {
    let spec = parse(&example()).expect("the example is right");
    assert_eq!((spec.name.as_str(), spec.every, spec.tick_records), ("flights", Span::HOUR, 1000));
    assert_eq!(spec.max_ahead, Span(30 * Span::DAY.0));

    let names: Vec<&str> = spec.sources.iter().map(|s| s.name.value.as_str()).collect();
    assert_eq!(names, ["departures", "weather", "arrivals", "takeoffs"], "the order of the file, not of the alphabet");
    let kinds: Vec<Kind> = spec.sources.iter().map(|s| s.kind).collect();
    assert_eq!(kinds, [Kind::Event, Kind::Table, Kind::Label, Kind::Context]);
    let departures = &spec.sources[0];
    let columns: Vec<(&str, Type, bool)> =
        departures.schema.columns.iter().map(|c| (c.name.as_str(), c.kind, c.nullable)).collect();
    assert_eq!(columns[0], ("flight_id", Type::Text, false));
    assert_eq!(columns[3], ("tailnum", Type::Text, true));
    assert_eq!(columns[5], ("sched_dep", Type::Timestamp, false));
    assert_eq!(departures.topic, "flights.departures");
    let arrivals = &spec.sources[2];
    assert_eq!(arrivals.timeout, Some(Span(2 * Span::DAY.0)));
    assert_eq!(arrivals.label.as_ref().map(|l| l.value.as_str()), Some("arr_delay > 15"));

    let names: Vec<&str> = spec.features.iter().map(|f| f.name.value.as_str()).collect();
    assert_eq!(names, ["hour", "wind", "carrier", "late_3h", "queue", "plane", "busy_1h"]);
    let FeatureKind::OneHot { values, .. } = &spec.features[2].kind else { panic!("{:?}", spec.features[2]) };
    assert_eq!(values, &["UA", "AA", "B6"]);
    let FeatureKind::Aggregate { function, argument, by, over } = &spec.features[4].kind else {
        panic!("{:?}", spec.features[4])
    };
    assert_eq!((*function, by[0].value.as_str(), *over), (Function::Mean, "origin", Over::Rows(30)));
    assert_eq!(argument.value, "least(180, greatest(-20, takeoffs.dep_delay))");
    assert_eq!(spec.features[4].missing, Some(0.0));

    let model = &spec.models[0];
    assert_eq!(model.learner, LearnerSpec::Logistic { optimizer: OptimizerSpec::sgd(0.01), l2: 0.0 });
    assert_eq!(model.retrain, [RetrainSpec::Logistic { alpha: 1.0, max_iterations: 100 }.into()]);
    assert_eq!(model.metrics.windows, [Span::DAY, Span(7 * Span::DAY.0)]);
    assert_eq!(model.metrics.names, Metric::of(Task::Binary).into_iter().map(|(_, m)| m).collect::<Vec<_>>());
    assert_eq!(model.triggers.len(), 4);
    assert!(matches!(&model.triggers[0].cause, CauseSpec::Drift(DetectorSpec::Adwin { delta }) if *delta == 0.002));
    assert!(matches!(&model.triggers[1].cause, CauseSpec::Degradation { min_labels: 500, .. }));
    assert!(matches!(&model.triggers[2].cause, CauseSpec::NewData(NewData::Examples(50_000))));
    assert!(matches!(&model.triggers[3].cause, CauseSpec::Schedule { every } if *every == Span(30 * Span::DAY.0)));
    assert_eq!((model.train.holdout, model.train.activate_after), (0.2, Span::DAY));
    let canary =
        Deploy::Canary { steps: vec![0.05, 0.25, 0.5], step_every: Span::DAY, give_up_after: Span(30 * Span::DAY.0) };
    assert_eq!(model.deploy, DeploySpec::of(canary, Task::Binary));
}

#[test]
fn a_place_in_an_expression_is_a_place_in_the_file() {
    let text = example();
    let spec = parse(&text).expect("the example is right");
    for feature in &spec.features {
        let (FeatureKind::Expression(e) | FeatureKind::Aggregate { argument: e, .. }) = &feature.kind else { continue };
        assert_eq!(&text[e.span.clone()], e.value, "feature {}", feature.name.value);
    }
    // Escapes move the letters: the whole value is pointed at.
    let escaped = text.replace("\"weather.wind_speed\"", "\"weather\\u002ewind_speed\"");
    let spec = parse(&escaped).expect("an escaped dot is a dot");
    let FeatureKind::Expression(e) = &spec.features[1].kind else { panic!("{:?}", spec.features[1]) };
    assert_eq!((e.value.as_str(), &escaped[e.span.clone()]), ("weather.wind_speed", "\"weather\\u002ewind_speed\""));
}

/// The example with one line replaced, which must be in it.
fn with(line: &str, by: &str) -> String {
    let text = example();
    assert!(text.contains(line), "`{line}` is in the example");
    text.replacen(line, by, 1)
}

#[test]
fn other_forms_of_the_same_are_read() {
    let spec = parse(&with("hour      =", "distance = { standardize = \"distance\" }\nhour =")).expect("standardize");
    assert!(matches!(&spec.features[0].kind, FeatureKind::Standardize { argument } if argument.value == "distance"));
    let spec = parse(&with(
        "wind      = \"weather.wind_speed\"",
        "wind = { lookup = \"weather.wind_speed\", max_age = \"3h\", missing = -1.5, indicator = true }",
    ))
    .expect("lookup");
    assert!(
        matches!(&spec.features[1].kind, FeatureKind::Lookup { max_age: Some(a), .. } if *a == Span(3 * Span::HOUR.0))
    );
    assert_eq!((spec.features[1].missing, spec.features[1].indicator), (Some(-1.5), true));
    let spec =
        parse(&with("hour      = \"extract(hour from sched_dep)\"", "hour = { expr = \"tailnum\", slot = false }"));
    assert!(!spec.expect("expr").features[0].slot);
    let spec = parse(&with(
        "one_hot = \"carrier\", values = \"datasets/flights/carriers.txt\"",
        "hash = \"carrier\", slots = 7",
    ));
    assert!(matches!(&spec.expect("hash").features[2].kind, FeatureKind::Hash { slots: 7, .. }));
    for (typed, read) in [
        ("quantile = \"arrivals.arr_delay\", q = 0.9", Function::Quantile(Level::new(0.9).expect("a level"))),
        ("distinct = \"arrivals.flight_id\"", Function::Distinct),
    ] {
        let spec = parse(&with("last = \"arrivals.arr_delay\"", typed)).expect(typed);
        let FeatureKind::Aggregate { function, .. } = &spec.features[5].kind else { panic!("{typed}") };
        assert_eq!((*function, function.name()), (read, typed.split(' ').next().expect("a word")));
    }
    assert!(Function::ALL.iter().all(|(name, function)| *name == function.name()));
    let spec =
        parse(&with("values = \"datasets/flights/carriers.txt\"", "values = [\"UA\", 7]")).expect("inline values");
    assert!(matches!(&spec.features[2].kind, FeatureKind::OneHot { values, .. } if values == &["UA", "7"]));
    let spec =
        parse(&with("[model.late.metrics]", "[model.late.metrics]\nsince = [2013-04-01, \"2013-05-01T06:00Z\"]"));
    let since = spec.expect("instants in both forms").models[0].metrics.since.clone();
    assert_eq!(since.first(), Time::parse("2013-04-01").as_ref());
    let spec = parse(&with("retrain = { kind = \"logistic\" }", "retrain = { kind = \"gaussian_nb\" }"));
    assert_eq!(spec.expect("bayes").models[0].retrain, [RetrainSpec::GaussianNb { var_smoothing: 1e-9 }.into()]);
    let forest = "retrain = [{ kind = \"random_forest\", class_weight = { true = 3 }, calibrated = true }, \
                  { kind = \"adaboost\", class_weight = \"balanced\" }, { kind = \"ftrl\", l1 = 0.5 }]";
    let spec = parse(&with("retrain = { kind = \"logistic\" }", forest)).expect("a forest");
    let [forest, boosted, ftrl] = &spec.models[0].retrain[..] else { panic!("three") };
    assert_eq!((&forest.class_weight, forest.calibrated), (&ClassWeight::Each(vec![1.0, 3.0]), true));
    let tree = Cart { max_leaf_nodes: 1024, min_samples_leaf: 5 };
    let spec = RandomForest { n_estimators: 100, max_features: None, seed: 0, tree };
    assert_eq!(forest.learner, RetrainSpec::RandomForest(spec));
    assert_eq!((&boosted.class_weight, boosted.calibrated), (&ClassWeight::Balanced, true), "it only votes");
    let optimizer = OptimizerSpec::Ftrl { alpha: 0.05, beta: 1.0, l1: 0.5, l2: 1.0 };
    assert_eq!(ftrl, &RetrainSpec::Ftrl { optimizer, epochs: 5 }.into());
    let limits = "[model.late.train]\ndeadline = \"10m\"\nmax_memory_mib = 512\ncalibration = 0.5";
    let train = parse(&with("[model.late.train]", limits)).expect("limits").models[0].train.clone();
    assert_eq!((train.deadline, train.max_memory_mib), (Some(Span(Span::HOUR.0 / 6)), Some(512)));
    assert_eq!(train.calibration, 0.5);
    let spec = parse(&with("detector = \"adwin\"", "detector = \"psi\"\nwindow = \"3d\"")).expect("psi");
    assert!(matches!(
        &spec.models[0].triggers[0].cause,
        CauseSpec::Drift(DetectorSpec::Distance { distance: Distance::Psi, min_events: 1000, .. })
    ));
    let spec = parse(&with("every = \"30d\"", "cron = \"0 3 * * mon\"")).expect("cron");
    assert!(matches!(&spec.models[0].triggers[3].cause, CauseSpec::Cron(cron) if cron.text() == "0 3 * * mon"));
    for (typed, read) in
        [("share = 0.1", NewData::Share(0.1)), ("after = \"30d\"", NewData::After(Span(30 * Span::DAY.0)))]
    {
        let spec = parse(&with("examples = 50_000", typed)).expect(typed);
        assert!(matches!(&spec.models[0].triggers[2].cause, CauseSpec::NewData(enough) if *enough == read), "{typed}");
    }
    let rearmed = "log_loss_at_release\"\nrearm = \"log_loss[7d] < 1.02 * log_loss_at_release\"";
    let spec = parse(&with("log_loss_at_release\"", rearmed)).expect("rearm");
    assert_eq!(spec.models[0].triggers[1].cause.conditions().count(), 2);
    let spec = parse(&with("kind = \"schedule\"\nevery = \"30d\"", "kind = \"manual\"\nat = [2013-08-15, 2013-02-01]"));
    let CauseSpec::Manual { at } = &spec.expect("manual").models[0].triggers[3].cause.clone() else {
        panic!("not manual")
    };
    assert!(at.is_sorted(), "{at:?}");
    let gate = "margin = 0.0\nno_change = true\nslices = { by = \"origin\", max_worse = 0.05 }";
    let gate = parse(&with("margin = 0.0", gate)).expect("gate").models[0].gate.clone();
    let slices = SliceGate { by: vec!["origin".to_string()], max_worse: 0.05, min_rows: 200 };
    assert_eq!((gate.no_change, gate.slices), (true, Some(slices)));
    let spec = parse(&with("timeout = \"48h\"\n", "")).expect("the timeout has a default");
    assert_eq!(spec.sources[2].timeout, Some(Span(48 * Span::HOUR.0)));
}

/// A line that no person can read is named by its place.
#[test]
fn an_error_in_a_line_of_a_hundred_thousand_letters_is_told() {
    let text =
        format!("[pipeline]\nname = \"a\"\n{}nmae = 1\n", "x = 1 # ".to_owned() + &"é".repeat(100_000) + "\ny = { ");
    let told = read(&text, "long.toml", &load).expect_err("it is wrong").render(false);
    assert!(told.contains("[long.toml:") && told.len() < 10_000, "{}", told.len());
    let text = format!("[pipeline]\nname = \"a\"\nnames = [{} 1]\n", "\"é\", ".repeat(100_000));
    let told = read(&text, "long.toml", &load).expect_err("it is wrong").render(false);
    assert!(told.contains("unknown key `names`") && told.contains("[long.toml:3:1]"), "{} bytes", told.len());
}

/// What is replaced by what; or the place of an error and what it says.
type Pair<'a> = (&'a str, &'a str);

/// Errors of expressions and conditions stand beside those of the shape, at their letters, and each mistake is told
/// once: what refers to something with an error is no error of its own.
#[test]
fn a_mistake_does_not_hide_another_nor_echo() {
    let cases: &[(&[Pair], &[Pair])] = &[
        // A number out of range and an unknown column.
        (
            &[("holdout = 0.2", "holdout = 2"), ("extract(hour from sched_dep)", "extract(hour from shed_dep)")],
            &[("2", "`holdout` is 2"), ("shed_dep", "unknown column `shed_dep`")],
        ),
        // In every kind of text at once.
        (
            &[
                ("learning_rate = 0.01", "learning_rate = 0"),
                ("weather.wind_speed", "weather.wind"),
                ("arr_delay > 15", "arr_dely > 15"),
                ("one_hot = \"carrier\"", "one_hot = \"carier\""),
                ("takeoffs.dep_delay", "takeoffs.delay"),
                ("log_loss[7d]", "log_los[7d]"),
            ],
            &[
                ("arr_dely", "did you mean `arr_delay`?"),
                ("weather.wind", "did you mean `weather.wind_speed`?"),
                ("carier", "did you mean `carrier`?"),
                ("takeoffs.delay", "takeoffs.dep_delay"),
                ("0", "`learning_rate` is 0"),
                ("log_los", "did you mean `log_loss`?"),
            ],
        ),
        // Columns of unknown types, and what is made of them.
        (
            &[
                ("distance = \"float\"", "distance = \"flaot\""),
                (
                    "hour      =",
                    "far = \"distance > 100\"\nfarther = \"far and distance > 200\"\nbad = \"hour + 1\"\nhour      =",
                ),
            ],
            &[("\"flaot\"", "unknown type `flaot`"), ("hour", "unknown column `hour`")],
        ),
        // A source that cannot be read: what stays are the expressions over the others.
        (
            &[("kind = \"table\"", "kind = \"tabel\""), ("extract(hour from sched_dep)", "extract(hour from carrier)")],
            &[("\"tabel\"", "did you mean `table`?"), ("carrier", "found text")],
        ),
        // The labels without their expression, which aggregates refer to.
        (
            &[("label = \"arr_delay > 15\"\n", ""), ("takeoffs.dep_delay", "takeoffs.delay")],
            &[("[source.arrivals]", "missing key `label`"), ("takeoffs.delay", "takeoffs.dep_delay")],
        ),
        // The events, without which no feature can be judged; their labels can, and conditions.
        (
            &[
                ("kind = \"events\"", "kind = \"evens\""),
                ("arr_delay > 15", "arr_dely > 15"),
                ("log_loss[7d]", "log_loss[8d]"),
                ("extract(hour from sched_dep)", "extract(hour from shed_dep)"),
            ],
            &[("\"evens\"", "unknown kind"), ("arr_dely", "arr_delay"), ("[8d]", "window `8d` is not maintained")],
        ),
        // Windows that are in doubt, and a metric that is not.
        (
            &[("windows = [\"1d\", \"7d\"]", "windows = [\"1d\", \"7 d\"]"), ("log_loss[7d]", "log_los[7d]")],
            &[("\"7 d\"", "no length of time"), ("log_los", "did you mean `log_loss`?")],
        ),
        // A feature of a wrong form, what is made of it, and another.
        (
            &[
                ("over = \"30 rows\"", "over = \"30 row s\""),
                ("busy_1h   =", "more = \"queue + quue\"\nmost = \"more + 1\"\nless = \"plne\"\nbusy_1h   ="),
            ],
            &[("\"30 row s\"", "no window"), ("plne", "did you mean `plane`?")],
        ),
        // An expression with an error, and what is made of it: without any other error in the file.
        (
            &[("hour      = \"extract(hour from sched_dep)\"", "hour = \"hours(sched_dep)\"\nlate = \"hour > 12\"")],
            &[("hours", "hours")],
        ),
        // A label that does not compile, and the aggregates over it.
        (
            &[("arr_delay > 15", "arr_delay + 15"), ("extract(hour from sched_dep)", "extract(hour from shed_dep)")],
            &[("arr_delay + 15", "the label of a binary task is a truth value"), ("shed_dep", "unknown column")],
        ),
        // A line that is no TOML, and a mistake beside it.
        (
            &[("holdout = 0.2", "holdout = a fifth"), ("takeoffs.dep_delay", "takeoffs.delay")],
            &[("a fifth", "quoted"), ("takeoffs.delay", "takeoffs.dep_delay")],
        ),
        // A model that is not there at all.
        (
            &[("[model.late", "[modle.late"), ("arr_delay > 15", "arr_dely > 15")],
            &[("modle", "did you mean `model`?"), ("arr_dely", "arr_delay")],
        ),
    ];
    assert!(check(&complete(), "flights.toml", &load).is_ok());
    let mut faults = Vec::new();
    for (changes, wanted) in cases {
        let mut text = complete();
        for (from, to) in *changes {
            assert!(text.contains(from), "`{from}` is in the example");
            text = text.replace(from, to);
        }
        let Err(errors) = check(&text, "flights.toml", &load) else {
            faults.push(format!("{changes:?}: no error at all"));
            continue;
        };
        let found: Vec<_> =
            errors.list().iter().map(|e| (&text[e.span.clone()], format!("{} {}", e.message, e.help))).collect();
        let alike = |((at, says), (span, words)): (&(&str, &str), &(&str, String))| {
            (at == span || span.contains(at) && at.starts_with('[')) && words.contains(says)
        };
        let once = |wanted| found.iter().filter(|found| alike((wanted, *found))).count() == 1;
        if found.len() != wanted.len() || !wanted.iter().all(once) {
            faults.push(format!("{changes:?}:\nwanted {wanted:?}\nfound {found:#?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

/// One wrong line is one error, with the words that a person needs.
#[test]
fn one_wrong_line_is_one_error() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("learning_rate = 0.01", "learning_rate = nan", &["`learning_rate` is nan", "above 0 and at most 100"]),
        ("learning_rate = 0.01", "learning_rate = 1e999", &["`learning_rate` is 1e999", "allowed: above 0"]),
        ("learning_rate = 0.01", "learning_rate = \"fast\"", &["must be a number, found a string"]),
        ("holdout = 0.2", "holdout = 0", &["`holdout` is 0", "above 0 and at most 0.9"]),
        ("activate_after = \"1d\"", "activate_after = \"30m\"", &["at least `every`, which is 1h"]),
        ("every = \"30d\"", "every = \"90m\"", &["`every` is 90m", "multiples of `every`, which is 1h"]),
        ("examples = 50_000", "examples = 5e4", &["`examples` must be a whole number, found a float"]),
        ("examples = 50_000", "examples = 99999999999999999999999", &["allowed: 1 to 1_000_000_000_000"]),
        ("metric = \"log_loss\"", "metric = \"logloss\"", &["unknown metric `logloss`", "did you mean `log_loss`?"]),
        ("detector = \"adwin\"", "detector = \"adwim\"", &["unknown detector `adwim`", "did you mean `adwin`?"]),
        ("by = \"tailnum\"", "by = \"tail_num\"", &["`by` `tail_num` is no column of the events", "`tailnum`"]),
        ("\"carrier\", \"origin\"]", "\"carrier\", \"dest\"]", &["slice `dest` is no column of the events", "known: "]),
        ("\"carrier\", \"origin\"]", "\"carrier\", \"carrier\"]", &["`carrier` stands twice in `slices`"]),
        ("windows = [\"1d\", \"7d\"]", "windows = [\"1d\", \"1d\"]", &["\"1d\" stands twice in `windows`"]),
        ("over = \"30 rows\"", "over = \"0 rows\"", &["`over` is \"0 rows\"", "1 to 1_000_000 rows"]),
        ("over = \"30 rows\"", "over = \"3 hours\"", &["`over` is \"3 hours\", which is no window"]),
        ("over = \"30 rows\"", "over = \"0h\"", &["`over` is \"0h\", allowed: 1ms to 36500d"]),
        ("values = \"datasets/flights/carriers.txt\"", "values = \"x.txt\"", &["`x.txt`: no such file"]),
        ("values = \"datasets/flights/carriers.txt\"", "values = \"twice.txt\"", &["`a` stands twice in `twice.txt`"]),
        ("values = \"datasets/flights/carriers.txt\"", "values = \"empty.txt\"", &["has 0 values, allowed: 1 to"]),
        ("by = \"tailnum\", over = \"1d\"", "by = \"tailnum\"", &["missing key `over` in [features.plane]"]),
        ("arr_delay = \"float\"", "arr_delay = \"flaot\"", &["unknown type `flaot`", "did you mean `float`?"]),
        (
            "landed_at = \"timestamp\"",
            "landed_at = \"timestamp?\"",
            &["is declared `timestamp?`, allowed: `timestamp`"],
        ),
        ("label = \"arr_delay > 15\"\n", "", &["missing key `label` in [source.arrivals]"]),
        ("schema = { flight_id = \"text\", landed_at", "schema = { flight_id = \"int\", landed_at", &["never meet"]),
        ("key  = [\"origin\"]", "key = []", &["`key` has 0 columns, allowed: at least one"]),
        ("[source.takeoffs]", "[source.predictions]", &["topic `flights.predictions` is an output of this pipeline"]),
        ("name = \"flights\"", "name = \"4 flights\"", &["`4 flights` cannot be the name of a pipeline"]),
        (CANARY, "strategy = \"canari\"", &["unknown strategy `canari`", "did you mean `canary`?"]),
        (CANARY, "strategy = \"canary\"\nsteps = [0.5, 0.2]", &["`steps` does not ascend"]),
        (CANARY, "strategy = \"canary\"\nsteps = [0.5, 1]", &["`steps` is 1, allowed: above 0 and below 1"]),
        (CANARY, "strategy = \"ab\"\nsteps = [0.5]", &["`steps` has no place here", "strategy \"canary\""]),
        (CANARY, "strategy = \"ab\"\nweights = [1]", &["`weights` has 1 numbers, allowed: at least 2"]),
        (CANARY, "strategy = \"ab\"\nmetric = \"f1\"", &["unknown metric `f1`", "log_loss, brier, accuracy"]),
        (CANARY, "strategy = \"ab\"\nby = [\"dest\"]", &["`by` `dest` is no column of the events"]),
        (
            "[[model.late.trigger]]\nkind = \"drift\"",
            "[[model.late.triger]]\nkind = \"drift\"",
            &["did you mean `trigger`?"],
        ),
        ("task    = \"binary\"", "task = \"binari\"", &["unknown task `binari`", "did you mean `binary`?"]),
        (
            "wind      = \"weather.wind_speed\"",
            "wind = { lookup = \"wether.wind_speed\" }",
            &["did you mean `weather`?"],
        ),
        (
            "wind      = \"weather.wind_speed\"",
            "wind = { lookup = \"weather.wind\" }",
            &["no column of table `weather`"],
        ),
        ("wind      = \"weather.wind_speed\"", "wind = { mean = \"*\", over = \"1h\" }", &["`*` counts rows"]),
        ("wind      = \"weather.wind_speed\"", "wind = 3", &["must be an expression in a string, or a table"]),
        ("wind      = \"weather.wind_speed\"", "wind = \"\"", &["`wind` is empty"]),
        ("missing = 0", "indicator = true", &["`indicator` needs `missing`"]),
        ("missing = 0", "missing = inf", &["`missing` is inf, allowed: finite"]),
        ("margin = 0.0", "margin = 0.0\n[model.other]\ntask = \"binary\"", &["missing key `learner` in [model.other]"]),
    ];
    let mut faults = Vec::new();
    for (line, by, words) in cases {
        let report = match parse(&with(line, by)) {
            Ok(_) => "no error at all".to_string(),
            // The triggers' list is the one case that loses its first line's meaning, not more.
            Err(errors) if errors.len() == 1 => errors.to_string(),
            Err(errors) => format!("{} errors:\n{errors}", errors.len()),
        };
        let flat: String = report.split_whitespace().collect::<Vec<_>>().join(" ");
        if flat.contains("errors:") || !words.iter().all(|w| flat.contains(w)) {
            faults.push(format!("`{by}`: wanted {words:?} in\n{report}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn later_stages_add_to_the_same_report() {
    let text = example();
    let spec = parse(&text).expect("the example is right");
    let mut errors = ConfigErrors::new("dataflows/flights.toml", &text);
    assert!(errors.is_empty());
    let FeatureKind::Expression(e) = &spec.features[0].kind else { panic!("{:?}", spec.features[0]) };
    errors.push("cannot take the hour of a text", e.span.clone(), "cast it to a timestamp");
    assert_eq!((errors.len(), errors.list()[0].span.clone()), (1, e.span.clone()));
    golden("later_stage.txt", &errors.to_string()).expect("the report is as agreed");
    // A terminal gets the same words, in color.
    assert!(errors.render(true).contains("\u{1b}["));
}

#[test]
fn the_graph_is_drawn_as_agreed() {
    golden("flights.graph.txt", &graph::draw(&parse(&example()).expect("the example is right"))).expect("as agreed");
}

#[test]
fn what_is_published_on_request_is_drawn_behind_all_else() {
    let text =
        example().replacen("name = \"flights\"", "name = \"flights\"\npublish = [\"examples\", \"features\"]", 1);
    let spec = parse(&text).expect("both are known");
    assert_eq!(spec.publish, [Publish::Examples, Publish::Features]);
    let drawn = graph::draw(&spec);
    let without = graph::draw(&parse(&example()).expect("the example is right"));
    assert_eq!(drawn, format!("{without}│    flights.features  flights.examples\n"));
}

#[test]
fn every_pipeline_of_the_project_reads() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("dataflows");
    // A checkout of the source alone may have none.
    let files = std::fs::read_dir(&folder).into_iter().flatten().map(|f| f.expect("an entry").path());
    for file in files.filter(|f| f.extension().is_some_and(|e| e == "toml")) {
        match tidemill::launch::load::load(&file) {
            Ok(loaded) => assert!(loaded.errors().is_empty() && !graph::draw(&loaded.spec).is_empty()),
            Err(error) => panic!("{error}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        if let Err(errors) = check(&text, "a.toml", &load) {
            prop_assert!(!errors.is_empty() && !errors.to_string().is_empty());
        }
    }

    /// Texts that are nearly right reach further than random ones.
    #[test]
    fn no_wound_panics(at in 0usize..3000, cut in 0usize..60, put in "[\\[\\]{}=\"'\\.,#a-z0-9\n\u{e9} ]{0,8}") {
        let text = complete();
        let mut start = at.min(text.len());
        while !text.is_char_boundary(start) { start -= 1 }
        let mut end = (start + cut).min(text.len());
        while !text.is_char_boundary(end) { end += 1 }
        let wounded = format!("{}{put}{}", &text[..start], &text[end..]);
        match check(&wounded, "a.toml", &load) {
            Ok(spec) => prop_assert!(!graph::draw(&spec).is_empty()),
            Err(errors) => prop_assert!(!errors.is_empty() && !errors.to_string().is_empty()),
        }
    }

    /// Lines in another order are another file, and still no panic.
    #[test]
    fn no_order_of_lines_panics(seed in proptest::collection::vec(0usize..10_000, 80)) {
        let text = complete();
        let mut lines: Vec<&str> = text.lines().collect();
        for (i, pick) in seed.iter().enumerate() {
            let n = lines.len();
            lines.swap(i % n, pick % n);
        }
        if let Err(errors) = check(&lines.join("\n"), "a.toml", &load) {
            prop_assert!(!errors.to_string().is_empty());
        }
    }
}
