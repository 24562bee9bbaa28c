//! Pages of lists that clients ask for by position, and look-ups of many rows at once.

use crate::{Result, Row, Value, scope::Tenant};

/// Part of a list, in the list's order. The wire formats count rows from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Rows to leave out.
    pub start: u32,
    /// Rows to answer at most.
    pub count: u32,
}

/// How many values one look-up statement takes. Fewer are filled up by repeating one, so that there are few statements to prepare; most
/// look-ups are for one.
const AT_ONCE: [usize; 3] = [1, 20, MOST_AT_ONCE];
const MOST_AT_ONCE: usize = 200;

impl Tenant<'_, '_> {
    /// Rows of a statement that has the instance in `$1` and `{list}` where a list of the values goes, whatever their number.
    pub(crate) fn query_each(&mut self, sql: &str, values: &[String]) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for chunk in values.chunks(MOST_AT_ONCE) {
            let fits = AT_ONCE.into_iter().find(|size| *size >= chunk.len());
            let size = fits.unwrap_or(MOST_AT_ONCE);
            let list = (2..size + 2)
                .map(|n| format!("${n}"))
                .collect::<Vec<_>>()
                .join(", ");
            let mut params = Vec::with_capacity(size + 1);
            params.push(Value::from(self.key()));
            params.extend(chunk.iter().cycle().take(size).map(Value::from));
            rows.extend(self.conn.query(&sql.replace("{list}", &list), &params)?);
        }
        Ok(rows)
    }
}
