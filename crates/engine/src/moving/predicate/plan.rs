//! What is evaluated: the parsed expression, with everything refused that this service does not know, and with its loops counting
//! their turns.

use std::mem;

use cel::{
    IdedExpr,
    common::ast::{
        CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, SourceInfo, operators,
    },
};
use regex::{Regex, RegexBuilder};

use super::{
    PredicateError, names,
    work::{MATCHES, RANGE, STEP, WORK},
};

/// Most nodes of an expression, macros written out.
const MOST_NODES: usize = 2000;
/// Most loops inside of one another.
const MOST_LOOPS: usize = 2;
/// Bytes that a pattern may take compiled: bounds what matching a byte costs.
const LARGEST_PATTERN: usize = 128 * 1024;

/// A function: its name, and how many arguments it takes as `f(x)` and as `x.f()`.
type Function = (&'static str, &'static [usize], &'static [usize]);

const FUNCTIONS: [Function; 23] = [
    ("bool", &[1], &[]),
    ("bytes", &[1], &[]),
    ("contains", &[], &[1]),
    ("double", &[1], &[]),
    ("duration", &[1], &[]),
    ("dyn", &[1], &[]),
    ("endsWith", &[], &[1]),
    ("getDate", &[], &[0, 1]),
    ("getDayOfMonth", &[], &[0, 1]),
    ("getDayOfWeek", &[], &[0, 1]),
    ("getDayOfYear", &[], &[0, 1]),
    ("getFullYear", &[], &[0, 1]),
    ("getHours", &[], &[0, 1]),
    ("getMilliseconds", &[], &[0, 1]),
    ("getMinutes", &[], &[0, 1]),
    ("getMonth", &[], &[0, 1]),
    ("getSeconds", &[], &[0, 1]),
    ("int", &[1], &[]),
    ("matches", &[2], &[1]),
    ("size", &[1], &[0]),
    ("startsWith", &[], &[1]),
    ("string", &[1], &[]),
    ("timestamp", &[1], &[]),
];

/// Functions whose names are also those of types, or rather the other way round.
const CONVERSIONS: [Function; 2] = [("type", &[1], &[]), ("uint", &[1], &[])];

/// Names of types, for `type(x) == int`.
const TYPES: [&str; 11] = [
    "bool",
    "bytes",
    "double",
    "duration",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "timestamp",
    "uint",
];

/// Macros, which are calls only when they are called wrongly.
const MACROS: [&str; 7] = [
    operators::HAS,
    operators::ALL,
    operators::EXISTS,
    operators::EXISTS_ONE,
    "existsOne",
    operators::MAP,
    operators::FILTER,
];

const OPERATORS: [&str; 19] = [
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::SUBSTRACT,
    operators::ADD,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER_EQUALS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::LESS,
    operators::NEGATE,
    operators::INDEX,
    operators::NOT_STRICTLY_FALSE,
    operators::IN,
];

/// An expression to evaluate, and the patterns it matches with.
pub(super) struct Plan {
    pub expression: IdedExpr,
    pub patterns: Vec<Regex>,
}

/// Makes the plan of a parsed expression.
pub(super) fn plan(expression: IdedExpr, source: &SourceInfo) -> Result<Plan, PredicateError> {
    let mut planner = Planner {
        source,
        patterns: Vec::new(),
        nodes: 0,
        variables: Vec::new(),
        results: Vec::new(),
        unknown: None,
    };
    let expression = planner.expression(expression)?;
    // Whatever else is wrong is said first.
    if let Some(unknown) = planner.unknown {
        return Err(unknown);
    }
    Ok(Plan {
        expression,
        patterns: planner.patterns,
    })
}

struct Planner<'a> {
    source: &'a SourceInfo,
    patterns: Vec<Regex>,
    nodes: usize,
    /// Variables of the loops around.
    variables: Vec<String>,
    /// What their results are called.
    results: Vec<String>,
    /// What is wrong with the first name that there is none of.
    unknown: Option<PredicateError>,
}

impl Planner<'_> {
    fn expression(&mut self, mut node: IdedExpr) -> Result<IdedExpr, PredicateError> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return Err(PredicateError::new(format!(
                "an expression has at most {MOST_NODES} parts, macros written out"
            )));
        }
        let id = node.id;
        match &mut node.expr {
            Expr::Unspecified => return Err(self.error(id, "this is no expression")),
            Expr::Struct(message) => {
                let name = &message.type_name;
                let message = format!("there is no type named {name:?}");
                return Err(self.error_at_name(id, name, message));
            }
            Expr::Literal(_) => {}
            Expr::Ident(name) => {
                let unknown = self.unknown(id, name);
                self.unknown = self.unknown.take().or(unknown);
            }
            Expr::Select(select) => self.replace(&mut select.operand)?,
            Expr::List(list) => {
                for element in &mut list.elements {
                    self.replace(element)?;
                }
            }
            Expr::Map(map) => {
                for entry in &mut map.entries {
                    let EntryExpr::MapEntry(member) = &mut entry.expr else {
                        return Err(self.error(id, "a map has keys and values"));
                    };
                    self.replace(&mut member.key)?;
                    self.replace(&mut member.value)?;
                }
            }
            Expr::Call(call) => self.call(id, call)?,
            Expr::Comprehension(comprehension) => self.repeat(id, comprehension)?,
        }
        Ok(node)
    }

    /// A misspelt name means nothing for any record: a predicate with it would be true of nobody, and nobody would know why.
    fn unknown(&self, id: u64, name: &str) -> Option<PredicateError> {
        let plain = name.strip_prefix('.').unwrap_or(name);
        let mut own = self.variables.iter().chain(&self.results);
        let is_known = name == WORK
            || own.any(|known| known == name)
            || names::is_known(plain)
            || TYPES.contains(&plain);
        (!is_known).then(|| {
            let all: Vec<&str> = names::known().collect();
            let message = format!(
                "there is no name {plain:?}, only {}; what else a record holds is called record.{plain}",
                all.join(", ")
            );
            self.error(id, message)
        })
    }

    fn replace(&mut self, node: &mut IdedExpr) -> Result<(), PredicateError> {
        *node = self.expression(mem::take(node))?;
        Ok(())
    }

    fn call(&mut self, id: u64, call: &mut CallExpr) -> Result<(), PredicateError> {
        if !OPERATORS.contains(&call.func_name.as_str()) {
            self.known(id, call)?;
        }
        if call.func_name == "matches" {
            self.compile(call)?;
        }
        if let Some(target) = &mut call.target {
            self.replace(target)?;
        }
        for argument in &mut call.args {
            self.replace(argument)?;
        }
        Ok(())
    }

    fn known(&self, id: u64, call: &CallExpr) -> Result<(), PredicateError> {
        let name = call.func_name.as_str();
        if MACROS.contains(&name) {
            let message = match name {
                operators::HAS => String::from("has() takes a member: has(a.b)"),
                operators::MAP => String::from(
                    "map() is called as list.map(x, value) or list.map(x, condition, value)",
                ),
                _ => format!("{name}() is called as list.{name}(x, condition)"),
            };
            return Err(self.error_at_name(id, name, message));
        }
        let function = FUNCTIONS
            .iter()
            .chain(&CONVERSIONS)
            .find(|(known, ..)| *known == name);
        let Some((_, global, member)) = function else {
            let message = format!("there is no function named {name:?}");
            return Err(self.error_at_name(id, name, message));
        };
        let counts = if call.target.is_some() {
            member
        } else {
            global
        };
        if counts.contains(&call.args.len()) {
            return Ok(());
        }
        let values = |count: &usize| vec!["value"; *count].join(", ");
        let usages: Vec<String> = global
            .iter()
            .map(|count| format!("{name}({})", values(count)))
            .chain(
                member
                    .iter()
                    .map(|count| format!("value.{name}({})", values(count))),
            )
            .collect();
        let message = format!("{name} is called as {}", usages.join(" or "));
        Err(self.error_at_name(id, name, message))
    }

    /// Compiles the pattern of `matches` now: a record cannot bring its own, and the same is not compiled for each.
    fn compile(&mut self, call: &mut CallExpr) -> Result<(), PredicateError> {
        let pattern = call.args.pop().unwrap_or_default();
        let Expr::Literal(LiteralValue::String(text)) = &pattern.expr else {
            return Err(self.error(pattern.id, "the pattern of matches must be a string"));
        };
        let compiled = RegexBuilder::new(text.inner())
            .size_limit(LARGEST_PATTERN)
            .dfa_size_limit(2 * LARGEST_PATTERN)
            .nest_limit(50)
            .build()
            .map_err(|error| self.error(pattern.id, pattern_error(&error)))?;
        let number = i64::try_from(self.patterns.len()).unwrap_or(i64::MAX);
        self.patterns.push(compiled);
        call.func_name = MATCHES.to_owned();
        call.args.extend(call.target.take().map(|target| *target));
        call.args.extend([literal(number), identifier(WORK)]);
        Ok(())
    }

    fn repeat(&mut self, id: u64, lap: &mut ComprehensionExpr) -> Result<(), PredicateError> {
        if self.variables.len() == MOST_LOOPS {
            let message = "all, exists, exists_one, map and filter nest at most 2 deep";
            return Err(self.error(id, message));
        }
        self.replace(&mut lap.iter_range)?;
        let range = mem::take(&mut lap.iter_range);
        lap.iter_range = invoke(RANGE, vec![range, identifier(WORK)]);
        self.variables.push(lap.iter_var.clone());
        self.results.push(lap.accu_var.clone());
        let before = self.nodes;
        self.replace(&mut lap.loop_step)?;
        let nodes = self.nodes - before;
        self.count_turns(&mut lap.loop_step, nodes, &lap.accu_var);
        self.variables.pop();
        self.results.pop();
        Ok(())
    }

    /// Puts a count before whatever a turn evaluates. The parts that mention the loop's result stay as they are: by their shape CEL
    /// knows loops that it can do well.
    fn count_turns(&self, node: &mut IdedExpr, nodes: usize, result: &str) {
        match &mut node.expr {
            Expr::Literal(_) => {}
            Expr::Ident(name) if name == result => {}
            Expr::List(list) => {
                for element in &mut list.elements {
                    self.count_turns(element, nodes, result);
                }
            }
            Expr::Call(call) if call.args.iter().any(|argument| mentions(argument, result)) => {
                for argument in &mut call.args {
                    self.count_turns(argument, nodes, result);
                }
            }
            _ => {
                let nodes = i64::try_from(nodes).unwrap_or(i64::MAX);
                let mut arguments = vec![literal(nodes), identifier(WORK)];
                arguments.extend(self.variables.iter().map(|name| identifier(name)));
                let id = node.id;
                let counted = mem::take(node);
                let never = IdedExpr {
                    id,
                    expr: Expr::Literal(LiteralValue::Null),
                };
                *node = invoke(
                    operators::CONDITIONAL,
                    vec![invoke(STEP, arguments), counted, never],
                );
            }
        }
    }

    /// Of a call the parser remembers where its bracket is, but the name is at fault.
    fn error_at_name(&self, id: u64, name: &str, message: String) -> PredicateError {
        let source = &self.source.source;
        let before = self
            .source
            .offset_for(id)
            .and_then(|(bracket, _)| source.get(..bracket as usize)?.strip_suffix(name));
        match before {
            Some(before) => PredicateError::new(message).at(source, before.len()),
            None => self.error(id, message),
        }
    }

    fn error(&self, id: u64, message: impl Into<String>) -> PredicateError {
        let error = PredicateError::new(message);
        match self.source.offset_for(id) {
            Some((start, _)) => error.at(&self.source.source, start as usize),
            None => error,
        }
    }
}

/// Whether the result of a loop stands in its step, where macros put it: as an operand, or as one of an operand that is a sum.
fn mentions(node: &IdedExpr, result: &str) -> bool {
    match &node.expr {
        Expr::Ident(name) => name == result,
        Expr::Call(call) => call.args.iter().any(|argument| mentions(argument, result)),
        _ => false,
    }
}

fn invoke(name: &str, args: Vec<IdedExpr>) -> IdedExpr {
    IdedExpr {
        id: 0,
        expr: Expr::Call(CallExpr {
            func_name: name.to_owned(),
            target: None,
            args,
        }),
    }
}

fn identifier(name: &str) -> IdedExpr {
    IdedExpr {
        id: 0,
        expr: Expr::Ident(name.to_owned()),
    }
}

fn literal(number: i64) -> IdedExpr {
    IdedExpr {
        id: 0,
        expr: Expr::Literal(LiteralValue::Int(number.into())),
    }
}

/// The last line of the library's message: those before draw a picture.
fn pattern_error(error: &regex::Error) -> String {
    let text = error.to_string();
    let line = text.lines().last().unwrap_or_default();
    let line = line.strip_prefix("error: ").unwrap_or(line);
    match error {
        regex::Error::CompiledTooBig(_) => String::from("the pattern is too large"),
        _ => format!("the pattern is malformed: {line}"),
    }
}
