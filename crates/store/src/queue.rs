//! A bounded queue between callers, which must not block, and database threads, which may.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use crate::{Error, Result};

pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    limit: usize,
}

struct State<T> {
    items: VecDeque<T>,
    /// Items that let one of the others go first whenever both wait.
    patient: VecDeque<T>,
    /// Whether it is the turn of a patient one.
    turn: bool,
    closed: bool,
}

impl<T> State<T> {
    fn next(&mut self) -> Option<T> {
        if self.turn || self.items.is_empty() {
            self.turn = false;
            if let Some(item) = self.patient.pop_front() {
                return Some(item);
            }
        }
        self.turn = true;
        self.items.pop_front()
    }
}

impl<T> Queue<T> {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            state: Mutex::new(State {
                items: VecDeque::new(),
                patient: VecDeque::new(),
                turn: false,
                closed: false,
            }),
            filled: Condvar::new(),
            limit,
        }
    }

    /// Adds an item, or refuses it at once when the queue is full or closed.
    pub(crate) fn push(&self, item: T) -> Result<()> {
        self.push_to(item, |state| &mut state.items)
    }

    /// The same for an item that lets those who wait go first, though not for ever: each time at most one group of them.
    pub(crate) fn push_patient(&self, item: T) -> Result<()> {
        self.push_to(item, |state| &mut state.patient)
    }

    fn push_to(&self, item: T, lane: fn(&mut State<T>) -> &mut VecDeque<T>) -> Result<()> {
        let mut state = self.state();
        if state.closed {
            return Err(Error::unavailable("it is closed"));
        }
        let lane = lane(&mut state);
        if lane.len() >= self.limit {
            return Err(Error::unavailable("too many calls are waiting for it"));
        }
        lane.push_back(item);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// The next item. Waits for one; `None` once the queue is closed and empty.
    pub(crate) fn pop(&self) -> Option<T> {
        let mut state = self.state();
        loop {
            if let Some(item) = state.next() {
                return Some(item);
            }
            if state.closed {
                return None;
            }
            state = self
                .filled
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The next item, if there is one now that is not patient.
    pub(crate) fn try_pop(&self) -> Option<T> {
        self.state().items.pop_front()
    }

    /// Refuses further items. Those already in are still handed out.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.filled.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // No code that can panic runs under the lock, so a poisoned one is as good as new.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_patient_lets_one_go_first_and_no_more() {
        let queue = Queue::new(3);
        for item in ["a", "b"] {
            queue.push(item).unwrap();
        }
        for item in ["x", "y", "z"] {
            queue.push_patient(item).unwrap();
        }
        assert!(queue.push_patient("full").is_err());
        let mut order = vec![queue.pop().unwrap(), queue.pop().unwrap()];
        queue.push("c").unwrap();
        assert_eq!(queue.try_pop(), Some("b"));
        queue.close();
        order.extend(std::iter::from_fn(|| queue.pop()));
        assert_eq!(order, ["a", "x", "c", "y", "z"]);
        assert!(queue.push("late").is_err());
    }
}
