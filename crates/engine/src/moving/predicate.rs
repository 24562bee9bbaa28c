//! Predicates: expressions of CEL (Common Expression Language) that say which records are meant (docs/api/predicates.md).
//!
//! A predicate is given by an operator and a record by anyone, so both are bounded: the text by its length and nesting before it is
//! parsed, patterns when they are compiled, and an evaluation by counting steps.

mod names;
mod plan;
mod text;
mod work;

use std::{fmt, sync::Arc};

use cel::{Context, Env, IdedExpr, ParseErrors, Value as Cel, common::types::CelBool};
use regex::Regex;
use serde_json::Value;
use vestibule_model::Invalid;

use names::Names;
use work::Work;

/// An expression that is true or not true of a record.
pub struct Predicate {
    text: String,
    environment: Arc<Env>,
    expression: IdedExpr,
    patterns: Arc<[Regex]>,
}

impl fmt::Debug for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Predicate").field(&self.text).finish()
    }
}

/// Why a text is no predicate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PredicateError {
    /// What is wrong, in words for who wrote it.
    pub message: String,
    /// Line and column where, in characters counted from 1, when it is at one place.
    pub position: Option<(usize, usize)>,
}

impl Predicate {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Self, PredicateError> {
        text::check(text)?;
        let environment = work::environment()
            .map_err(|error| PredicateError::new(format!("there are no functions: {error}")))?;
        let (parsed, source) = environment
            .parser()
            .max_recursion_depth(2 * text::DEEPEST as u16)
            .parse_with_source_info(text)
            .map_err(|errors| PredicateError::of_parser(&errors))?;
        let plan = plan::plan(parsed, &source)?;
        Ok(Self {
            text: text.to_owned(),
            environment: Arc::new(environment),
            expression: plan.expression,
            patterns: plan.patterns.into(),
        })
    }

    /// Whether it is true of a record of an export, federated or of the directory. An expression that fails, is no truth value, or is
    /// too much work for this record is not true.
    pub fn holds(&self, record: &Value) -> bool {
        let names = Names::new(record, Work::new(Arc::clone(&self.patterns)));
        let mut context = Context::with_env(Arc::clone(&self.environment));
        context.set_variable_resolver(&names);
        let result = Cel::resolve_val(&self.expression, &context);
        let truth = result.is_ok_and(|value| {
            let truth = value.downcast_ref::<CelBool>();
            truth.is_some_and(|truth| *truth.inner())
        });
        truth && !names.work().is_exhausted()
    }

    /// The text it was read from.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl PredicateError {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            position: None,
        }
    }

    /// At a byte of the text.
    fn at(mut self, text: &str, byte: usize) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        self.position = Some((before.matches('\n').count() + 1, line.chars().count() + 1));
        self
    }

    /// The first of the parser's complaints, in other words.
    fn of_parser(errors: &ParseErrors) -> Self {
        let complaints = errors.errors.iter();
        let mut complaints = complaints.filter(|error| !error.msg.contains(GIVEN_UP));
        let Some(first) = complaints.next() else {
            return Self::new("this is no expression");
        };
        let position = |at: isize| usize::try_from(at).ok().filter(|at| *at > 0);
        Self {
            message: reworded(&first.msg),
            position: position(first.pos.0).zip(position(first.pos.1)),
        }
    }
}

/// What the parser says when it gave up.
const GIVEN_UP: &str = "error recovery";

/// What the parser says, without the list of all tokens that it would have liked better and without its insides.
fn reworded(message: &str) -> String {
    let Some(syntax) = message.strip_prefix("Syntax error: ") else {
        return message.split(": ").next().unwrap_or(message).to_owned();
    };
    let syntax = syntax.split(" expecting ").next().unwrap_or(syntax);
    if let Some((missing, before)) = syntax
        .strip_prefix("missing ")
        .and_then(|rest| rest.split_once(" at "))
    {
        return match before {
            "'<EOF>'" => format!("{missing} is missing at the end"),
            _ => format!("{missing} is missing before {before}"),
        };
    }
    match [
        "extraneous input ",
        "mismatched input ",
        "no viable alternative at input ",
    ]
    .iter()
    .find_map(|beginning| syntax.strip_prefix(beginning))
    {
        Some(found) if found.contains("<EOF>") => String::from("the expression ends too early"),
        Some(found) => format!("{found} is not expected here"),
        None => syntax.to_owned(),
    }
}

impl fmt::Display for PredicateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            None => f.write_str(&self.message),
            Some((1, column)) => write!(f, "{} (column {column})", self.message),
            Some((line, column)) => write!(f, "{} (line {line}, column {column})", self.message),
        }
    }
}

impl std::error::Error for PredicateError {}

impl From<PredicateError> for Invalid {
    fn from(error: PredicateError) -> Self {
        Self::new("where", error.to_string())
    }
}

/// Predicates that divide records: each record is in exactly one part.
#[derive(Debug)]
pub struct Partition(Vec<Predicate>);

impl Partition {
    /// A part for each predicate, and the rest.
    pub fn new(predicates: Vec<Predicate>) -> Self {
        Self(predicates)
    }

    /// How many parts there are, the rest included.
    pub fn parts(&self) -> usize {
        self.0.len() + 1
    }

    /// The part a record belongs to, counted from 0: that of the first predicate that is true of it, or the last part.
    pub fn part_of(&self, record: &Value) -> usize {
        self.0
            .iter()
            .position(|predicate| predicate.holds(record))
            .unwrap_or(self.0.len())
    }
}

#[cfg(test)]
mod tests;
