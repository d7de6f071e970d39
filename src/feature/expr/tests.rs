//! Faults, null semantics, nullability, and what must hold for any text.

use super::*;
use crate::time::Time;
use proptest::prelude::*;

/// `i` int, `x` float, `s` text, `b` bool, `t` timestamp, never null; `n*` the same, nullable; `w.x` of a table.
struct Row;

const NAMES: [(&str, Type, bool); 9] = [
    ("i", Type::Int, false),
    ("x", Type::Float, false),
    ("s", Type::Text, false),
    ("b", Type::Bool, false),
    ("t", Type::Timestamp, false),
    ("nb", Type::Bool, true),
    ("nx", Type::Float, true),
    ("wind_speed", Type::Float, true),
    ("w.x", Type::Float, true),
];

impl Scope for Row {
    fn resolve(&self, qualifier: Option<&str>, name: &str) -> Option<Binding> {
        let full = qualifier.map_or(name.to_string(), |q| format!("{q}.{name}"));
        let slot = NAMES.iter().position(|(known, ..)| *known == full)?;
        Some(Binding { slot: slot as u32, kind: NAMES[slot].1, nullable: NAMES[slot].2 })
    }

    fn names(&self) -> Vec<String> {
        NAMES.iter().map(|(name, ..)| name.to_string()).collect()
    }
}

fn row() -> Vec<Value> {
    vec![
        Value::Int(7),
        Value::Float(2.5),
        Value::Text("UA".into()),
        Value::Bool(true),
        Value::Timestamp(Time(1_370_090_096_789_000)),
        Value::Null,
        Value::Null,
        Value::Float(3.0),
        Value::Float(1.5),
    ]
}

fn compiled(text: &str) -> Expression {
    Expression::compile(text, &Row).unwrap_or_else(|faults| panic!("{text}: {faults:?}"))
}

fn eval(text: &str) -> Value {
    compiled(text).eval(row().as_slice())
}

/// Each fault as `place|message|help`, the place as its text.
fn faults(text: &str) -> Vec<String> {
    let faults = Expression::compile(text, &Row).expect_err(text);
    faults.into_iter().map(|f| format!("{}|{}|{}", &text[f.span], f.message, f.help.unwrap_or_default())).collect()
}

#[test]
fn faults_say_what_where_and_what_instead() {
    let mut wrong = vec![];
    let int_text = "turn one into the other with `cast(x as text)` or `cast(x as float)`";
    for (text, expected) in [
        ("wind_sped + 1", "wind_sped|unknown column `wind_sped`|did you mean `wind_speed`?"),
        ("1 + w.y", "w.y|unknown column `w.y`|did you mean `w.x`?"),
        ("s = \"UA\"", "\"UA\"|unknown column `UA`|a text is in single quotes: 'UA'"),
        ("zebra", "zebra|unknown column `zebra`|"),
        ("1 + sqr(x)", "sqr|unknown function `sqr`|did you mean `sqrt`?"),
        ("frobnicate()", "frobnicate|unknown function `frobnicate`|"),
        ("power(x)", "power(x)|`power` takes 2 arguments, 1 given|"),
        ("1 + pi(x)", "pi(x)|`pi` takes 0 arguments, 1 given|"),
        ("round(x, 1, 2)", "round(x, 1, 2)|`round` takes 1 to 2 arguments, 3 given|"),
        ("coalesce()", "coalesce()|`coalesce` takes at least 1 argument, 0 given|"),
        ("substr(s)", "substr(s)|`substr` takes 2 to 3 arguments, 1 given|"),
        ("ln(s)", "s|type mismatch: `ln` takes float, found text|=C"),
        ("lower(i)", "i|type mismatch: `lower` takes text, found int|=C"),
        ("(i + s) * 2", "i + s|type mismatch: `+` is given int and text|=C"),
        ("2 * (i + cast(s as text))", "i + cast(s as text)|type mismatch: `+` is given int and text|=C"),
        ("s + s", "s + s|type mismatch: `+` is given text and text|texts are joined by `||`"),
        (
            "t + 3",
            "t + 3|type mismatch: `+` is given timestamp and int|\
             give the length of time as an interval, such as `interval '3 hours'`",
        ),
        ("s > 1", "s > 1|type mismatch: `>` is given text and int|=C"),
        ("b = 1", "b = 1|type mismatch: `=` is given bool and int|a bool is a number by `cast(x as int)`"),
        ("i and b", "i|type mismatch: `and` takes bool, found int|compare it: `x <> 0`"),
        ("not s", "s|type mismatch: `not` takes bool, found text|turn one into the other with `cast`"),
        ("case when i then 1 end", "i|type mismatch: `when` takes bool, found int|compare it: `x <> 0`"),
        ("case when b then 1 else s end", "1 else s|type mismatch: `then` is given int and text|=C"),
        ("i in (1, 2, 'three')", "'three'|type mismatch: `in` is given int and text|=C"),
        ("cast(t as int)", "cast(t as int)|type mismatch: timestamp cannot be cast to int|=E"),
        ("t::int + 1", "t::int|type mismatch: timestamp cannot be cast to int|=E"),
        (
            "cast(x as number)",
            "cast(x as number)|`number` is not a type|the types are int, float, text, bool and timestamp",
        ),
        ("t > 'yesterday'", "'yesterday'|`yesterday` is not a timestamp|write it as `2013-01-31 05:00:00`"),
        (
            "extract(hour from s)",
            "s|type mismatch: `extract` takes timestamp, found text|turn one into the other with `cast`",
        ),
        ("s like 'a!' escape '!'", "'a!'|the pattern ends in its escape character|"),
        ("s like 'a' escape 'ab'", "'ab'|`escape` takes one character in quotes|"),
        (
            "t + interval '1 month'",
            "interval '1 month'|the length of a month depends on the calendar; give days|write `interval '3 hours'`",
        ),
        ("x x", "x|expected the end of the expression, found `x`|"),
        ("1 +", "|expected an expression, found the end|"),
        ("", "|the expression is empty|"),
        ("  -- nothing", "  -- nothing|the expression is empty|"),
        ("s = 'UA", "'|unterminated string literal|"),
        ("count(*)", "count(*)|`count` takes expressions, not `*` or named arguments|"),
        ("(select 1)", "select 1|this is not supported in an expression on one row|"),
        ("1e999", "1e999|`1e999` is not a finite number|"),
    ] {
        let expected = expected.replace("=C", int_text);
        let expected = expected.replace("=E", "`extract(epoch from t)` gives seconds since 1970");
        let found = faults(text);
        if found != [expected.as_str()] {
            wrong.push(format!("{text}: {found:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_faults_are_found_in_order() {
    let text = "lnn(yy) + zz * case when i then é else qq end";
    let found: Vec<_> =
        Expression::compile(text, &Row).expect_err(text).into_iter().map(|f| text[f.span].to_string()).collect();
    assert_eq!(found, ["lnn", "yy", "zz", "i", "é", "qq"]);
    let lines = "coalesce(\n  'é', -- a name\n  zz)";
    assert_eq!(faults(lines), ["zz|unknown column `zz`|"]);
}

#[test]
fn three_valued_logic() {
    let words = ["true", "false", "null"];
    let and = ["true", "false", "null", "false", "false", "false", "null", "false", "null"];
    let or = ["true", "true", "true", "true", "false", "null", "true", "null", "null"];
    for (n, (x, y)) in words.iter().flat_map(|x| words.map(|y| (*x, y))).enumerate() {
        for (op, expected) in [("and", and[n]), ("or", or[n])] {
            let expected = match expected {
                "null" => Value::Null,
                word => Value::Bool(word == "true"),
            };
            // As constants, and on a row: folding and evaluation agree.
            assert_eq!(eval(&format!("{x} {op} {y}")), expected, "{x} {op} {y}");
            let column = |word: &str| match word {
                "true" => "b",
                "false" => "not b",
                _ => "nb",
            };
            assert_eq!(eval(&format!("{} {op} {}", column(x), column(y))), expected, "{x} {op} {y}, columns");
        }
    }
}

#[test]
fn nullability_is_inferred() {
    for text in [
        "x",
        "x + i",
        "coalesce(nx, 0)",
        "coalesce(x / i, 1)",
        "x / 2",
        "i % 7",
        "nx is null",
        "nb is true",
        "case when nb then 1 else 2 end",
        "least(nx, x)",
        "concat(nx, s)",
        "abs(x)",
        "round(x, 1)",
        "sin(x)",
        "extract(hour from t)",
        "t - t",
        "s like 'U%'",
        "i in (1, 2)",
        "cast(b as int)",
        "1 / 4",
        "length(s)",
        "nx is distinct from x",
    ] {
        assert!(!compiled(text).nullable(), "{text}");
        assert!(!eval(text).is_null(), "{text}");
    }
    for text in [
        "nx",
        "x + nx",
        "x / i",
        "i % i",
        "x / 0",
        "ln(x)",
        "sqrt(x)",
        "exp(x)",
        "power(x, 2)",
        "nullif(x, 1)",
        "case when b then 1 end",
        "case when b then 1 else nx end",
        "coalesce(nx, nb::int)",
        "cast(s as int)",
        "x > nx",
        "nb and b",
        "i in (1, null)",
        "s || nx",
        "w.x",
        "null",
        "cast('a' as int)",
    ] {
        assert!(compiled(text).nullable(), "{text}");
    }
}

#[test]
fn what_has_no_finite_value_is_null() {
    for text in [
        "ln(x - x)",
        "ln(-x)",
        "sqrt(-x)",
        "exp(x * 1000)",
        "power(x, 10000)",
        "power(-x, x)",
        "x / (x - x)",
        "i % (i - i)",
        "1e308 * (x * x)",
        "9223372036854775807 + i",
        "-9223372036854775807 - i",
        "i * 9223372036854775807",
        "cast(x * 1e300 as int)",
        "cast(s as float)",
        "cast('nan' as float)",
        "t + interval '99999999 days' * 2",
        "abs(-9223372036854775807 - (i - 6))",
        "(x - x) / (x - x)",
        "coalesce(x / (i - i), null)",
    ] {
        assert_eq!(eval(text), Value::Null, "{text}");
        assert_eq!(compiled(text).number(row().as_slice()), None, "{text}");
    }
    assert_eq!(eval("coalesce(x / (i - i), -1)"), Value::Float(-1.0));
}

#[test]
fn values_types_and_columns() {
    assert_eq!(eval("x + i * 2"), Value::Float(16.5));
    assert_eq!(eval("i / 2"), Value::Float(3.5));
    assert_eq!(eval("t + interval '1 hour'"), Value::Timestamp(Time(1_370_093_696_789_000)));
    assert_eq!(eval("t - timestamp '2013-06-01'"), Value::Float(45_296.789));
    assert_eq!(eval("T = timestamp '2013-06-01 13:34:56.789+01:00'"), Value::Bool(true));
    assert_eq!(compiled("b and s = 'UA'").number(row().as_slice()), Some(1.0));
    assert_eq!(compiled("s").number(row().as_slice()), None);
    assert_eq!(compiled("w.x + x + i + x").columns(), [0, 1, 8]);
    for (text, kind) in [
        ("i + 1", Type::Int),
        ("i / 1", Type::Float),
        ("s || i", Type::Text),
        ("i > x", Type::Bool),
        ("t - t", Type::Float),
        ("coalesce(i, x)", Type::Float),
        ("null", Type::Int),
        ("t - interval '1h'", Type::Timestamp),
    ] {
        assert_eq!(compiled(text).kind(), kind, "{text}");
    }
    // A value of another type than declared is null, not a panic.
    let odd = vec![Value::Text("7".into()); NAMES.len()];
    assert_eq!(compiled("coalesce(i, 0) + coalesce(x, 1)").eval(odd.as_slice()), Value::Float(1.0));
}

#[test]
fn limits_hold() {
    let nested = |depth: usize| format!("{}i{}", "abs(".repeat(depth), ")".repeat(depth));
    assert_eq!(compiled(&nested(Expression::MAX_DEPTH - 1)).eval(row().as_slice()), Value::Int(7));
    for text in [
        nested(Expression::MAX_DEPTH),
        nested(900),
        "(".repeat(4000),
        "-".repeat(3) + &"- ".repeat(4000),
        vec!["i"; 2000].join(" + "),
        "not ".repeat(4000) + "b",
        "case ".repeat(4000),
        "i::int".to_string() + &"::int".repeat(2000),
        "b".to_string() + &" is true".repeat(1300),
        vec!["i"; 5000].join(","),
        "x".repeat(Expression::MAX_BYTES + 1),
    ] {
        let faults = Expression::compile(&text, &Row).expect_err("beyond a limit");
        assert!(faults.iter().all(|f| f.span.end <= text.len()), "{}", &text[..20]);
    }
    // Long but flat is fine.
    let flat = vec!["i = 3"; 1000].join(" or ");
    assert_eq!(eval(&flat), Value::Bool(false));
    let list = (10..1500).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    assert_eq!(eval(&format!("i in ({list})")), Value::Bool(false));
}

fn soup() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "i",
        "x",
        "s",
        "b",
        "t",
        "nb",
        "nx",
        "w.x",
        "w",
        ".",
        "+",
        "-",
        "*",
        "/",
        "%",
        "=",
        "<>",
        "<",
        ">=",
        "(",
        ")",
        ",",
        "and",
        "or",
        "not",
        "is",
        "null",
        "true",
        "false",
        "case",
        "when",
        "then",
        "else",
        "end",
        "in",
        "between",
        "like",
        "escape",
        "'a%'",
        "'_'",
        "cast",
        "as",
        "int",
        "text",
        "float",
        "timestamp",
        "::",
        "extract",
        "hour",
        "from",
        "epoch",
        "interval",
        "'3 hours'",
        "'2013-01-01'",
        "1",
        "0",
        "2.5",
        "1e300",
        "-1",
        "abs",
        "ln",
        "exp",
        "round",
        "power",
        "least",
        "coalesce(",
        "nullif(",
        "substr(",
        "lower(",
        "concat(",
        "||",
        "\"i\"",
        "'",
        "\"",
        "é",
        "select",
        "--",
        "/*",
        "$",
        "?",
        "[",
        "]",
        "{",
        "}",
        "@",
        "!",
        "~",
        "\\",
        "\n",
        "distinct",
        "over",
        "lambda",
        "->",
        "array",
        "E'\\x'",
    ]);
    prop::collection::vec(words, 0..24).prop_map(|words| words.join(" "))
}

/// Well-typed numbers, so that evaluation is reached.
fn number() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "i",
        "x",
        "nx",
        "0",
        "-1",
        "2.5",
        "1e308",
        "1e-308",
        "9223372036854775807",
        "null",
        "length(s)",
        "extract(epoch from t)",
        "cast(s as float)",
        "cast(b as int)",
        "pi()",
    ])
    .prop_map(str::to_string);
    leaf.prop_recursive(5, 40, 3, |inner| {
        prop_oneof![
            (inner.clone(), "[-+*/%]", inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (
                prop::sample::select(vec!["abs", "ln", "exp", "sqrt", "sin", "cos", "floor", "ceil", "round"]),
                inner.clone()
            )
                .prop_map(|(f, a)| format!("{f}({a})")),
            (
                prop::sample::select(vec!["power", "least", "greatest", "coalesce", "nullif"]),
                inner.clone(),
                inner.clone()
            )
                .prop_map(|(f, a, b)| format!("{f}({a}, {b})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("case when {a} < {b} then {b} else {c} end")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("case {a} when {b} then {c} end")),
            (inner.clone(), -400i64..400).prop_map(|(a, n)| format!("round({a}, {n})")),
            inner.clone().prop_map(|a| format!("cast({a} as int)")),
            inner.clone().prop_map(|a| format!("cast(cast({a} as text) as float)")),
            inner.prop_map(|a| format!("(- {a})")),
        ]
    })
}

fn any_float() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), -10.0..10.0, Just(0.0), Just(f64::NAN), Just(f64::INFINITY)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn no_text_panics(text in prop_oneof![soup(), "\\PC{0,40}", number()]) {
        match Expression::compile(&text, &Row) {
            Ok(expression) => {
                let value = expression.eval(row().as_slice());
                prop_assert!(!matches!(value, Value::Float(x) if !x.is_finite()), "{} gives {:?}", text, value);
            }
            Err(faults) => {
                prop_assert!(!faults.is_empty());
                for fault in faults {
                    prop_assert!(text.get(fault.span.clone()).is_some(), "{} has no {:?}", text, fault.span);
                    prop_assert!(!fault.message.ends_with('.'), "{}", fault.message);
                }
            }
        }
    }

    #[test]
    fn numbers_are_finite(text in number(), i in any::<i64>(), x in any_float(), nx in any_float()) {
        let mut values = row();
        (values[0], values[1], values[6]) = (Value::Int(i), Value::Float(x), Value::Float(nx));
        let expression = Expression::compile(&text, &Row).map_err(|f| TestCaseError::fail(format!("{text}: {f:?}")))?;
        let number = expression.number(values.as_slice());
        prop_assert!(number.is_none_or(f64::is_finite), "{} gives {:?}", text, number);
        prop_assert_eq!(number, expression.eval(values.as_slice()).number(), "{}", text);
        prop_assert!(expression.columns().is_sorted());
    }
}
