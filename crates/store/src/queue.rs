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
    closed: bool,
}

impl<T> Queue<T> {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            state: Mutex::new(State {
                items: VecDeque::new(),
                closed: false,
            }),
            filled: Condvar::new(),
            limit,
        }
    }

    /// Adds an item, or refuses it at once when the queue is full or closed.
    pub(crate) fn push(&self, item: T) -> Result<()> {
        let mut state = self.state();
        if state.closed {
            return Err(Error::unavailable("it is closed"));
        }
        if state.items.len() >= self.limit {
            return Err(Error::unavailable("too many calls are waiting for it"));
        }
        state.items.push_back(item);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// The next item. Waits for one; `None` once the queue is closed and empty.
    pub(crate) fn pop(&self) -> Option<T> {
        let mut state = self.state();
        loop {
            if let Some(item) = state.items.pop_front() {
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

    /// The next item, if there is one now.
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
