//! The places for exports of one node. Each holds a moment of the database, so there are few, and one whose taker keeps it waiting makes
//! room when somebody else wants it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Most exports of one node at a time, those of jobs aside.
const MOST: usize = 4;

/// The places of a node.
#[derive(Default)]
pub(crate) struct Places(Mutex<Vec<Arc<Seat>>>);

#[derive(Default)]
struct Seat {
    /// Whether its taker has taken nothing for a while.
    idle: AtomicBool,
    leave: Notify,
}

/// A place that somebody has until this is dropped.
pub(crate) struct Place {
    places: Arc<Places>,
    seat: Arc<Seat>,
}

/// Says that a taker has taken nothing for a while, until it is dropped.
pub(crate) struct Idle<'a>(&'a Seat);

impl Places {
    /// A free place, or that of an export whose taker has taken nothing for a while.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Place> {
        let mut held = self.0.lock();
        if held.len() >= MOST {
            let idle = held
                .iter()
                .position(|seat| seat.idle.load(Ordering::SeqCst))?;
            held.remove(idle).leave.notify_one();
        }
        let seat = Arc::<Seat>::default();
        held.push(Arc::clone(&seat));
        Some(Place {
            places: Arc::clone(self),
            seat,
        })
    }
}

impl Place {
    /// Lets somebody else have the place.
    pub(crate) fn idle(&self) -> Idle<'_> {
        self.seat.idle.store(true, Ordering::SeqCst);
        Idle(&self.seat)
    }

    /// Returns when somebody else has the place now.
    pub(crate) async fn lost(&self) {
        self.seat.leave.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.places.0.lock();
        held.retain(|seat| !Arc::ptr_eq(seat, &self.seat));
    }
}

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.0.idle.store(false, Ordering::SeqCst);
    }
}
