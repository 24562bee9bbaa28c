//! Comparison that takes as long whatever differs.

use subtle::ConstantTimeEq;

/// Whether two byte strings are equal; the time depends on their lengths only.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}
