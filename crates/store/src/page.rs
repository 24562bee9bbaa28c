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

/// Values of one look-up statement. Fewer are filled up by repeating one, so that there is one statement to prepare.
const AT_ONCE: usize = 200;

impl Tenant<'_, '_> {
    /// Rows of a statement that has the instance in `$1` and `{list}` where a list of the values goes, whatever their number.
    pub(crate) fn query_each(&mut self, sql: &str, values: &[String]) -> Result<Vec<Row>> {
        let list = (2..AT_ONCE + 2)
            .map(|n| format!("${n}"))
            .collect::<Vec<_>>()
            .join(", ");
        let sql = sql.replace("{list}", &list);
        let mut rows = Vec::new();
        for chunk in values.chunks(AT_ONCE) {
            let mut params = Vec::with_capacity(AT_ONCE + 1);
            params.push(Value::from(self.key()));
            params.extend(chunk.iter().cycle().take(AT_ONCE).map(Value::from));
            rows.extend(self.conn.query(&sql, &params)?);
        }
        Ok(rows)
    }
}
