//! The functions: their names, how many arguments they take, and what they compile to.

use super::align::hint;
use super::check::{Checked, Checker};
use super::convert::as_text;
use super::tree::{Arithmetic, Float, Int, Kind, Math, Node, Text};
use crate::config::nearest;
use sqlparser::ast::{self, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectNamePart};

/// What makes a call's node from its checked arguments, whose number is right.
type Make = fn(&mut Checker<'_>, &Call<'_>, Vec<Checked>) -> Option<Checked>;

/// Name, least and most arguments, maker.
const FUNCTIONS: [(&str, usize, usize, Make); 25] = [
    ("abs", 1, 1, |c, call, args| c.math(Math::Abs, call, args)),
    ("ceil", 1, 1, |c, call, args| c.math(Math::Ceil, call, args)),
    ("ceiling", 1, 1, |c, call, args| c.math(Math::Ceil, call, args)),
    ("coalesce", 1, usize::MAX, |c, call, args| c.pick(call, args, |a| a.coalesce())),
    ("concat", 1, usize::MAX, |_, _, args| Some(join(args))),
    ("cos", 1, 1, |c, call, args| c.math(Math::Cos, call, args)),
    ("exp", 1, 1, |c, call, args| c.math(Math::Exp, call, args)),
    ("floor", 1, 1, |c, call, args| c.math(Math::Floor, call, args)),
    ("greatest", 1, usize::MAX, |c, call, args| c.pick(call, args, |a| a.greatest())),
    ("least", 1, usize::MAX, |c, call, args| c.pick(call, args, |a| a.least())),
    ("length", 1, 1, |c, call, args| c.length(call, args)),
    ("ln", 1, 1, |c, call, args| c.math(Math::Ln, call, args)),
    ("lower", 1, 1, |c, call, args| c.letters(call, args, Text::Lower)),
    ("nullif", 2, 2, |c, call, args| c.nullif(call, args)),
    ("pi", 0, 0, |_, _, _| Some(Checked::constant(Node::Float(Float::Constant(Some(std::f64::consts::PI)))))),
    ("pow", 2, 2, |c, call, args| c.power(call, args)),
    ("power", 2, 2, |c, call, args| c.power(call, args)),
    ("round", 1, 2, |c, call, args| c.round(call, args)),
    ("sin", 1, 1, |c, call, args| c.math(Math::Sin, call, args)),
    ("sqrt", 1, 1, |c, call, args| c.math(Math::Sqrt, call, args)),
    ("substr", 2, 3, |c, call, args| c.substring(call, args)),
    ("substring", 2, 3, |c, call, args| c.substring(call, args)),
    ("upper", 1, 1, |c, call, args| c.letters(call, args, Text::Upper)),
    // Known by their own syntax; here for "did you mean", and refused if they come as calls.
    ("cast", 1, 0, |_, _, _| None),
    ("extract", 1, 0, |_, _, _| None),
];

/// A call in the text.
pub(super) struct Call<'e> {
    name: &'static str,
    args: Vec<&'e Expr>,
}

impl Checker<'_> {
    /// A call in the ordinary syntax.
    pub(super) fn function(&mut self, function: &ast::Function, whole: &Expr) -> Option<Checked> {
        let name = function.name.to_string().to_lowercase();
        let refused = function.over.is_some()
            || function.filter.is_some()
            || function.null_treatment.is_some()
            || !function.within_group.is_empty()
            || function.parameters != FunctionArguments::None;
        let FunctionArguments::List(list) = &function.args else {
            let help = "an expression reads its row only, never a clock or a table".to_string();
            return self.refuse(self.span(whole), format!("unknown function `{name}`"), Some(help));
        };
        if refused || list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
            let message = format!("`{name}` takes plain arguments only, an expression sees one row");
            return self.refuse(self.span(whole), message, None);
        }
        let mut args = vec![];
        for arg in &list.args {
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => args.push(expr),
                _ => {
                    let message = format!("`{name}` takes expressions, not `*` or named arguments");
                    return self.refuse(self.span(whole), message, None);
                }
            }
        }
        let [ObjectNamePart::Identifier(ident)] = function.name.0.as_slice() else {
            return self.refuse(self.span(whole), format!("unknown function `{name}`"), None);
        };
        let Some((known, ..)) = FUNCTIONS.iter().find(|(known, ..)| *known == name) else {
            // The arguments are checked all the same, for their own faults.
            let _ = self.exprs(&args);
            let help = nearest(&name, FUNCTIONS.iter().map(|f| f.0)).map(|known| format!("did you mean `{known}`?"));
            let span = self.span(&Expr::Identifier(ident.clone()));
            return self.refuse(span, format!("unknown function `{name}`"), help);
        };
        self.call(known, args, whole)
    }

    /// A call of a known function.
    pub(super) fn call(&mut self, name: &str, args: Vec<&Expr>, whole: &Expr) -> Option<Checked> {
        let (name, least, most, make) =
            *FUNCTIONS.iter().find(|(known, ..)| *known == name).unwrap_or_else(|| unreachable!("{name} is known"));
        if most < least {
            let form = if name == "cast" { "`cast(x as int)`" } else { "`extract(hour from t)`" };
            return self.refuse(self.span(whole), format!("`{name}` has a form of its own"), Some(form.to_string()));
        }
        let checked = self.exprs(&args);
        let given = args.len();
        if !(least..=most).contains(&given) {
            let wanted = match (least, most) {
                (least, usize::MAX) => format!("at least {least}"),
                (least, most) if least == most => least.to_string(),
                (least, most) => format!("{least} to {most}"),
            };
            let plural = if wanted.ends_with('1') { "" } else { "s" };
            let message = format!("`{name}` takes {wanted} argument{plural}, {given} given");
            return self.refuse(self.span(whole), message, None);
        }
        make(self, &Call { name, args }, checked?)
    }

    /// Refuses an argument of another type.
    fn mismatch<T>(&mut self, call: &Call<'_>, index: usize, wanted: Kind, found: Kind) -> Option<T> {
        let message = format!("type mismatch: `{}` takes {}, found {}", call.name, wanted.name(), found.name());
        self.refuse(self.span(call.args[index]), message, hint(wanted, found))
    }

    fn float(&mut self, call: &Call<'_>, index: usize, node: Node) -> Option<Float> {
        let kind = node.kind();
        node.into_float().or_else(|| self.mismatch(call, index, Kind::Float, kind))
    }

    fn int(&mut self, call: &Call<'_>, index: usize, node: Node) -> Option<Int> {
        let kind = node.kind();
        node.into_int().or_else(|| self.mismatch(call, index, Kind::Int, kind))
    }

    fn words(&mut self, call: &Call<'_>, index: usize, node: Node) -> Option<Text> {
        let kind = node.kind();
        node.into_text().or_else(|| self.mismatch(call, index, Kind::Text, kind))
    }

    fn math(&mut self, function: Math, call: &Call<'_>, args: Vec<Checked>) -> Option<Checked> {
        let Checked { node, nullable, constant } = only(args);
        let partial = matches!(function, Math::Ln | Math::Exp | Math::Sqrt);
        let node = match (function, node) {
            (Math::Abs, Node::Int(i)) => Node::Int(Int::Abs(Box::new(i))),
            (_, node) => Node::Float(Float::Math(function, Box::new(self.float(call, 0, node)?))),
        };
        Some(Checked { node, nullable: nullable || partial, constant })
    }

    fn power(&mut self, call: &Call<'_>, args: Vec<Checked>) -> Option<Checked> {
        let constant = args.iter().all(|a| a.constant);
        let mut args = args.into_iter().map(|a| a.node);
        let (x, y) = (args.next()?, args.next()?);
        let (x, y) = (self.float(call, 0, x), self.float(call, 1, y));
        let node = Node::Float(Float::Arithmetic(Arithmetic::Power, Box::new([x?, y?])));
        Some(Checked { node, nullable: true, constant })
    }

    fn round(&mut self, call: &Call<'_>, args: Vec<Checked>) -> Option<Checked> {
        let constant = args.iter().all(|a| a.constant);
        let nullable = args.iter().any(|a| a.nullable);
        let mut args = args.into_iter().map(|a| a.node);
        let x = args.next()?;
        let digits = match args.next() {
            Some(node) => self.int(call, 1, node)?,
            None => Int::Constant(Some(0)),
        };
        let node = match x {
            Node::Int(i) => Node::Int(Int::Round(Box::new([i, digits]))),
            x => Node::Float(Float::Round(Box::new((self.float(call, 0, x)?, digits)))),
        };
        Some(Checked { node, nullable, constant })
    }

    /// `coalesce`, `least`, `greatest`: null only if all arguments are.
    fn pick(
        &mut self,
        call: &Call<'_>,
        args: Vec<Checked>,
        join: fn(super::align::Aligned) -> Node,
    ) -> Option<Checked> {
        let aligned = self.align(call.name, &call.args, args)?;
        let nullable = aligned.nullable.iter().all(|n| *n);
        let constant = aligned.constant;
        Some(Checked { node: join(aligned), nullable, constant })
    }

    fn nullif(&mut self, call: &Call<'_>, args: Vec<Checked>) -> Option<Checked> {
        let aligned = self.align(call.name, &call.args, args)?;
        let constant = aligned.constant;
        Some(Checked { node: aligned.unless(), nullable: true, constant })
    }

    fn length(&mut self, call: &Call<'_>, args: Vec<Checked>) -> Option<Checked> {
        let Checked { node, nullable, constant } = only(args);
        let node = Node::Int(Int::Length(Box::new(self.words(call, 0, node)?)));
        Some(Checked { node, nullable, constant })
    }

    fn letters(&mut self, call: &Call<'_>, args: Vec<Checked>, make: fn(Box<Text>) -> Text) -> Option<Checked> {
        let Checked { node, nullable, constant } = only(args);
        let node = Node::Text(make(Box::new(self.words(call, 0, node)?)));
        Some(Checked { node, nullable, constant })
    }

    fn substring(&mut self, call: &Call<'_>, args: Vec<Checked>) -> Option<Checked> {
        let constant = args.iter().all(|a| a.constant);
        let nullable = args.iter().any(|a| a.nullable);
        let mut args = args.into_iter().map(|a| a.node);
        let (text, start) = (args.next()?, args.next()?);
        let (text, start) = (self.words(call, 0, text), self.int(call, 1, start));
        let length = match args.next() {
            Some(node) => Some(self.int(call, 2, node)?),
            None => None,
        };
        let node = Node::Text(Text::Substring(Box::new((text?, start?, length))));
        Some(Checked { node, nullable, constant })
    }
}

fn only(mut args: Vec<Checked>) -> Checked {
    args.pop().unwrap_or_else(|| unreachable!("the number of arguments was checked"))
}

fn join(args: Vec<Checked>) -> Checked {
    let constant = args.iter().all(|a| a.constant);
    let node = Node::Text(Text::Join(args.into_iter().map(|a| as_text(a.node)).collect()));
    Checked { node, nullable: false, constant }
}
