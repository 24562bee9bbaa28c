//! Whatever the profiles are, they arrive as they left.

use proptest::{
    collection::vec,
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use serde_json::{Map, Value, json};
use vestibule_testkit::on_each_engine;

use super::everyone;
use crate::instance::Instance;

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|f| if f.is_finite() { json!(f) } else { json!(0.1) }),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 20, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((any::<String>(), inner), 0..4)
                .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

fn object() -> impl Strategy<Value = Map<String, Value>> {
    vec((any::<String>(), json_value()), 0..5).prop_map(|members| members.into_iter().collect())
}

fn text() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|text| text.replace(char::is_control, " "))
}

type Members = Map<String, Value>;
/// Unknown members, identities, attributes, name, address.
type Drawn = (
    Members,
    Vec<Members>,
    Members,
    Option<String>,
    Option<String>,
);

fn user() -> impl Strategy<Value = Drawn> {
    (
        object(),
        vec(object(), 1..4),
        object(),
        proptest::option::of(text()),
        proptest::option::of(text()),
    )
}

fn users(runner: &mut TestRunner, count: usize) -> Vec<Value> {
    let reserved = ["id", "name", "email", "identities", "attributes", "roles"];
    let drawn = vec(user(), count).new_tree(runner).unwrap().current();
    drawn
        .into_iter()
        .enumerate()
        .map(|(n, (extra, identities, attributes, name, email))| {
            let mut user = Map::new();
            user.insert("id".into(), json!(uuid(runner)));
            for (member, value) in [("name", name), ("email", email)] {
                if let Some(value) = value {
                    user.insert(member.into(), value.into());
                }
            }
            user.extend(
                extra
                    .into_iter()
                    .filter(|(name, _)| !reserved.contains(&name.as_str())),
            );
            let identities: Vec<Value> = identities
                .into_iter()
                .enumerate()
                .map(|(m, mut identity)| {
                    identity.insert(
                        "provider".into(),
                        json!(["google", "facebook", "saml"][m % 3]),
                    );
                    identity.insert("id".into(), json!(format!("{n}/{m} ü\"\\{{id}}")));
                    identity.into()
                })
                .collect();
            user.insert("identities".into(), identities.into());
            user.insert("attributes".into(), attributes.into());
            user.into()
        })
        .collect()
}

fn uuid(runner: &mut TestRunner) -> String {
    let bytes = any::<[u8; 16]>().new_tree(runner).unwrap().current();
    vestibule_model::id::ProfileId::from_random_bytes(bytes).to_string()
}

/// Compares text, not values: the order of members counts too.
#[track_caller]
fn same(got: &[Value], expected: &[Value]) {
    assert_eq!(got.len(), expected.len());
    for (got, expected) in got.iter().zip(expected) {
        assert_eq!(got.to_string(), expected.to_string());
    }
}

on_each_engine! {
    async fn any_profiles_arrive_as_they_left(server) {
        let mut runner = TestRunner::new_with_rng(Config::default(), proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha));
        for round in 0..6 {
            let at = Instance::new(&server, &format!("source {round}")).await;
            let made = users(&mut runner, 60);
            let done = at.post("users/import", json!({"users": made})).await.expect(200).json();
            assert_eq!(done, json!({"added": 60, "failed": 0, "failReasons": []}));
            let out = everyone(&at, "users/export", 23).await;
            same(&out, &made);
            let next = Instance::new(&server, &format!("target {round}")).await;
            next.post("users/import", json!(out)).await.expect(200);
            same(&everyone(&next, "users/export", 1000).await, &made);
        }
    }
}
