//! `users/export`, `users/import` and their directory counterparts.

mod directory;
mod profiles;
mod round_trip;
mod sign_in;

use serde_json::{Value, json};

use crate::instance::Instance;

/// All users of an export, page after page.
async fn everyone(at: &Instance<'_>, path: &str, count: usize) -> Vec<Value> {
    let sign = if path.contains('?') { '&' } else { '?' };
    let mut users = Vec::new();
    loop {
        let page = at
            .get(&format!(
                "{path}{sign}startIndex={}&count={count}",
                users.len()
            ))
            .await;
        let rows = page["users"].as_array().unwrap().clone();
        assert_eq!(page["itemsPerPage"], json!(rows.len()));
        users.extend(rows);
        if users.len() as u64 >= page["totalResults"].as_u64().unwrap() {
            return users;
        }
    }
}

/// The codes of an import's refusals, with the places of the records.
fn codes(answer: &Value) -> Vec<(u64, String)> {
    let reasons = answer["failReasons"].as_array().unwrap();
    assert_eq!(answer["failed"], json!(reasons.len()), "{answer}");
    reasons
        .iter()
        .map(|reason| {
            assert!(!reason["error"]["message"].as_str().unwrap().is_empty());
            (
                reason["index"].as_u64().unwrap(),
                reason["error"]["code"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}
