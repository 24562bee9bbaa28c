//! What an evaluation has cost so far, and the functions that count it.
//!
//! Loops multiply, and their lengths are the record's to choose, so no property of the expression bounds its work: steps are counted
//! while it is evaluated. The count depends on the record and the expression alone, so that the parts of an export are the same
//! wherever and whenever they are made.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use cel::{
    DeclarationError, Env, ExecutionError,
    common::{
        types::{
            CelBool, CelInt, CelList, CelMap, CelString, DYN_TYPE, INT_TYPE, STRING_TYPE, Type,
        },
        value::{CowVal, StaticVal, Val},
    },
};
use regex::Regex;

/// Most steps one record may cost an expression: tenths of a second.
const MOST_STEPS: u64 = 2_000_000;
/// Bytes of text that make a step.
const TEXT: usize = 16;
/// How many times as long a byte takes that is matched with a pattern.
const MATCHING: u64 = 64;

/// The name by which the functions here are given the [`Work`]. No expression can name it.
pub(super) const WORK: &str = "@work";
/// `@step(nodes, @work, variable…)`: counts a turn of a loop and is true.
pub(super) const STEP: &str = "@step";
/// `@range(value, @work)`: what a loop goes through. The keys of a map come in order: a map has none of its own.
pub(super) const RANGE: &str = "@range";
/// `@matches(text, number, @work)`: whether text has a match of the pattern of that number.
pub(super) const MATCHES: &str = "@matches";

/// CEL's environment with these functions.
pub(super) fn environment() -> Result<Env, DeclarationError> {
    let mut env = Env::stdlib().with_optional_support(false);
    let one = vec![INT_TYPE, DYN_TYPE, DYN_TYPE];
    let two = vec![INT_TYPE, DYN_TYPE, DYN_TYPE, DYN_TYPE];
    env.add_overload(STEP, "step_one", one, step)?;
    env.add_overload(STEP, "step_two", two, step)?;
    env.add_overload(RANGE, "range", vec![DYN_TYPE, DYN_TYPE], range)?;
    let pattern = vec![STRING_TYPE, INT_TYPE, DYN_TYPE];
    env.add_overload(MATCHES, "matches_pattern", pattern, matches)?;
    Ok(env)
}

/// What an evaluation has cost so far, and what it can match with.
#[derive(Debug)]
pub(super) struct Work {
    patterns: Arc<[Regex]>,
    steps: AtomicU64,
}

/// More than [`MOST_STEPS`].
#[derive(Debug)]
pub(super) struct Exhausted;

impl Work {
    pub fn new(patterns: Arc<[Regex]>) -> Self {
        Self {
            patterns,
            steps: AtomicU64::new(0),
        }
    }

    /// Counts steps.
    pub fn count(&self, steps: u64) -> Result<(), Exhausted> {
        let before = self.steps.fetch_add(steps, Ordering::Relaxed);
        if before.saturating_add(steps) > MOST_STEPS {
            self.steps.store(MOST_STEPS + 1, Ordering::Relaxed);
            return Err(Exhausted);
        }
        Ok(())
    }

    /// Counts what looking at a text costs.
    pub fn count_text(&self, text: &str) -> Result<(), Exhausted> {
        self.count(1 + (text.len() / TEXT) as u64)
    }

    /// Whether the evaluation was too much work: an error in the middle of an expression need not be its result.
    pub fn is_exhausted(&self) -> bool {
        self.steps.load(Ordering::Relaxed) > MOST_STEPS
    }

    /// Counts `times` what looking at a value costs.
    fn count_value(&self, value: &dyn Val, times: u64) -> Result<(), Exhausted> {
        if let Some(text) = value.downcast_ref::<CelString>() {
            return self.count((1 + (text.inner().len() / TEXT) as u64).saturating_mul(times));
        }
        self.count(times)?;
        if let Some(list) = value.downcast_ref::<CelList>() {
            for item in list.inner() {
                self.count_value(&**item, times)?;
            }
        } else if let Some(map) = value.downcast_ref::<CelMap>() {
            for (key, value) in map.inner() {
                self.count_value(key.inner(), times)?;
                self.count_value(&**value, times)?;
            }
        }
        Ok(())
    }
}

impl Val for Work {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        static WORK_TYPE: Type = Type::new_unspecified_type("work");
        &WORK_TYPE
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(Self {
            patterns: Arc::clone(&self.patterns),
            steps: AtomicU64::new(self.steps.load(Ordering::Relaxed)),
        })
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Work {}

impl From<Exhausted> for ExecutionError {
    fn from(_: Exhausted) -> Self {
        Self::InternalError(String::from("the expression is too much work"))
    }
}

fn step<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [nodes, work, variables @ ..] = arguments.as_slice() else {
        return Err(misused());
    };
    let (nodes, work) = (number(nodes)?, work_of(work)?);
    work.count(nodes)?;
    for variable in variables {
        work.count_value(&**variable, nodes)?;
    }
    Ok(CowVal::owned(CelBool::from(true)))
}

fn range<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let mut arguments = arguments.into_iter();
    let value = arguments.next().ok_or_else(misused)?;
    let Some(map) = value.downcast_ref::<CelMap>() else {
        return Ok(value);
    };
    let mut keys: Vec<_> = map.inner().keys().collect();
    keys.sort_unstable();
    let keys: Vec<Box<dyn Val + 'v>> = keys
        .into_iter()
        .map(|key| key.inner().clone_as_boxed())
        .collect();
    Ok(CowVal::owned(CelList::from(keys)))
}

fn matches<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [text, pattern, work] = arguments.as_slice() else {
        return Err(misused());
    };
    let work = work_of(work)?;
    let text = text.downcast_ref::<CelString>().ok_or_else(misused)?;
    work.count_value(text, MATCHING)?;
    let pattern = usize::try_from(number(pattern)?)
        .ok()
        .and_then(|number| work.patterns.get(number))
        .ok_or_else(misused)?;
    Ok(CowVal::owned(CelBool::from(pattern.is_match(text.inner()))))
}

fn number(value: &CowVal<'_, '_>) -> Result<u64, ExecutionError> {
    let number = value.downcast_ref::<CelInt>().ok_or_else(misused)?;
    u64::try_from(*number.inner()).map_err(|_| misused())
}

fn work_of<'b>(value: &'b CowVal<'_, '_>) -> Result<&'b Work, ExecutionError> {
    value.downcast_ref::<Work>().ok_or_else(misused)
}

/// Calls are written by the plan, so this is never seen.
fn misused() -> ExecutionError {
    ExecutionError::InternalError(String::from("a counting function was misused"))
}
