//! Golden rows: what every model must say of some vectors, before it answers anybody.
//!
//! In: the rows of the pipeline file by the names of slots. Out: vectors, then which of them a model fails. Rows are
//! few and chosen by people: cases that must never be answered wrongly again, or of which anybody knows the answer. A
//! metric can improve while one of them breaks. Source: the minimum functionality tests of Ribeiro and others 2020,
//! "Beyond accuracy: behavioral testing of NLP models with CheckList".

use super::report::Check;
use crate::config::nearest;
use crate::config::spec::{Expected, GoldenRow, ModelSpec};
use crate::feature::Vector;
use crate::feature::layout::Layout;
use crate::feature::plan::Fault;
use crate::task::Prediction;

/// A row that can be asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct Golden {
    line: u32,
    vector: Vector,
    expected: Expected,
}

/// The golden rows of a model as vectors of its pipeline; none if its gate has none.
///
/// # Errors
/// Slots that are not in the layout, or one-hot slots with another value than 1, with their lines.
pub fn golden(model: &ModelSpec, layout: &Layout) -> Result<Vec<Golden>, Vec<Fault>> {
    let Some(declared) = &model.gate.golden else { return Ok(Vec::new()) };
    let rows: Result<Vec<Golden>, (String, Option<String>)> =
        declared.rows.iter().map(|row| resolved(row, layout)).collect();
    rows.map_err(|(why, help)| {
        let message = format!("`{}`, {why}", declared.path.value.escape_debug());
        vec![Fault { message, span: declared.path.span.clone(), help }]
    })
}

fn resolved(row: &GoldenRow, layout: &Layout) -> Result<Golden, (String, Option<String>)> {
    let GoldenRow { line, slots, expected } = row;
    let (mut dense, mut hot) = (vec![0.0; layout.dense()], Vec::new());
    for (name, value) in slots {
        let Some(slot) = layout.names().iter().position(|known| known == name) else {
            let help = nearest(name, layout.names().iter().map(String::as_str));
            let help = help.map(|near| format!("did you mean `{near}`?"));
            return Err((format!("line {line}: the vectors have no slot `{}`", name.escape_debug()), help));
        };
        match dense.get_mut(slot) {
            Some(place) => *place = *value,
            None if *value == 1.0 => hot.push(slot as u32),
            None => return Err((format!("line {line}: slot `{name}` is {value}, allowed: 0 and 1"), None)),
        }
    }
    hot.sort_unstable();
    Ok(Golden { line: *line, vector: Vector { dense: dense.into(), hot: hot.into() }, expected: *expected })
}

impl Golden {
    fn is_met(&self, said: &Prediction) -> bool {
        let Expected { class, at_least, at_most } = self.expected;
        class.is_none_or(|class| said.class() == class)
            && at_least.is_none_or(|least| said.score() >= least)
            && at_most.is_none_or(|most| said.score() <= most)
    }
}

/// How many rows a model fails; none may be.
pub(super) fn check(rows: &[Golden], predict: impl Fn(&Vector) -> Prediction) -> Check {
    let failed: Vec<(u32, Prediction)> = rows
        .iter()
        .map(|row| (row, predict(&row.vector)))
        .filter(|(row, said)| !row.is_met(said))
        .map(|(row, said)| (row.line, said))
        .collect();
    let first = failed.first().map(|(line, said)| match said {
        Prediction::Number(score) => format!("line {line} ({score})"),
        Prediction::Classes(_) => format!("line {line} (class {})", said.class()),
    });
    let (passed, figure) = (failed.is_empty(), Some(failed.len() as f64));
    Check { check: "golden".to_owned(), passed, figure, limit: 0.0, slice: first }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::feature::plan::compile;

    const PIPELINE: &str = r#"
        [pipeline]
        name = "small"
        [source.events]
        kind = "events"
        key = "id"
        time = "at"
        schema = { id = "text", at = "timestamp", x = "float", c = "text" }
        [features]
        x = "x"
        c = { one_hot = "c", values = ["a", "b"] }
        [model.m]
        task = "binary"
        learner = { kind = "logistic", learning_rate = 0.1 }
        [model.m.gate]
        golden = "rows.jsonl"
    "#;

    fn rows(text: &str) -> Result<Vec<Golden>, String> {
        let spec = config::read(PIPELINE, "small.toml", &|_| Ok(text.to_owned())).map_err(|told| told.to_string())?;
        let plan = compile(&spec).expect("it compiles");
        golden(&spec.models[0], plan.program.layout()).map_err(|faults| format!("{faults:?}"))
    }

    #[test]
    fn a_model_is_asked_about_every_row() {
        let text = r#"{"features":{"x":2,"c=b":1,"c=a":0},"class":true,"prediction_id":"7"}

            {"features":{"x":-2},"at_most":0.5,"at_least":0.1}
            {"features":{},"at_least":0.5}"#;
        let rows = rows(text).expect("they are right");
        let vector = Vector { dense: [2.0].into(), hot: [2].into() };
        assert_eq!((rows.len(), rows[0].line, &rows[0].vector, rows[1].line), (3, 1, &vector, 3));
        let check = |says: fn(&Vector) -> f64| {
            let Check { passed, figure, slice, .. } = super::check(&rows, |x| Prediction::Number(says(x)));
            (passed, figure, slice)
        };
        assert_eq!(check(|x| 0.5 + x.dense[0] / 10.0), (true, Some(0.0), None));
        assert_eq!(check(|_| 0.05), (false, Some(3.0), Some("line 1 (0.05)".to_owned())));
        assert_eq!(check(|_| 0.6), (false, Some(1.0), Some("line 3 (0.6)".to_owned())));
    }

    #[test]
    fn what_is_no_golden_row_is_told_with_its_line() {
        for (text, told) in [
            ("", "has 0 rows, allowed: 1 to 10000"),
            ("{", "line 1 of `rows.jsonl`: no JSON object"),
            (r#"{"class":true}"#, "it has no `features`"),
            (r#"{"features":{"x":"1"},"class":true}"#, "slot `x` is \"1\", allowed: a number"),
            ("\n{\"features\":{}}", "line 2 of `rows.jsonl`: nothing is expected of it"),
            (r#"{"features":{},"class":"a"}"#, "`class` is \"a\", allowed: true or false"),
            (r#"{"features":{},"at_least":1.5}"#, "`at_least` is 1.5, allowed: a number up to 1"),
            (r#"{"features":{"y":1},"class":true}"#, "line 1: the vectors have no slot `y`"),
            (r#"{"features":{"c=a":2},"class":true}"#, "line 1: slot `c=a` is 2, allowed: 0 and 1"),
        ] {
            let found = rows(text).expect_err("it is told");
            assert!(found.replace("\\\"", "\"").contains(told), "{text}: {found}");
        }
    }
}
