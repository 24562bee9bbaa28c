//! What is said of a record does not depend on where a transaction ends.

use serde_json::{Value, json};
use vestibule_bundle::{BundleWriter, Person, Source};
use vestibule_crypto::random::{Random, SeededRandom};
use vestibule_model::{id::TenantId, time::Timestamp};
use vestibule_testkit::{Conditions, TestServer, on_each_engine};

use super::{SECRET, export, import, import_bundle, lines, ndjson, report, with_roles};
use crate::instance::Instance;

/// Sizes of a transaction: each record alone, two by two, some, and all.
const SIZES: [usize; 4] = [1, 3, 7, 1000];
const RECORDS: usize = 60;

fn batches_of(size: usize) -> Conditions {
    let mut conditions = Conditions::default();
    conditions.pace.batch = size;
    conditions
}

/// Numbers below some bound, the same for the same seed.
struct Dice(SeededRandom);

impl Dice {
    fn below(&self, bound: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % bound as u64).unwrap()
    }
}

/// Somebody with one of a few addresses and one of a few names, or none.
fn directory_record(dice: &Dice, number: usize) -> Value {
    let mut user = json!({
        "originalId": format!("old-{number}"), "status": "CONFIRMED", "active": true,
        "emails": [{"value": format!("p{}@example.org", dice.below(9)), "primary": true}],
    });
    if dice.below(4) > 0 {
        user["userName"] = json!(format!("name{}", dice.below(9)));
    }
    json!({
        "scimUser": user, "passwordHash": "$2b$04$abcdefghijklmnopqrstuuZ.2BwMNdF1axR8iGGzqP8yI.hhN0FWa",
        "passwordHashAlg": "bcrypt", "profile": {"attributes": {"number": number}}, "roles": [],
    })
}

/// Somebody with one or two of a few identities.
fn federated_record(dice: &Dice, number: usize) -> Value {
    let identities: Vec<Value> = [dice.below(20), dice.below(20)]
        .into_iter()
        .take(1 + dice.below(2))
        .map(|n| json!({"provider": "google", "id": format!("g{n}")}))
        .collect();
    json!({"name": format!("N{number}"), "identities": identities, "attributes": {"number": number}})
}

/// What an import comes to: counts, report, and who is there then.
async fn outcome(at: &Instance<'_>, kind: &str, query: &str, text: &str) -> (Value, Value, Value) {
    let job = at
        .request("post", &format!("{kind}/import/stream?{query}"))
        .header("X-Vestibule-Encryption-Secret", SECRET)
        .body(text)
        .send()
        .await
        .expect(200)
        .json();
    let there = at
        .request("get", &format!("{kind}/export/stream"))
        .header("X-Vestibule-Encryption-Secret", SECRET)
        .send()
        .await
        .expect(200)
        .text();
    let mut there: Vec<String> = lines(&there)
        .into_iter()
        .map(|mut user| {
            // New for each user and each export.
            user["passwordHash"].take();
            user["id"].take();
            if user["scimUser"].is_object() {
                user["scimUser"]["originalId"].take();
                user["scimUser"]["meta"].take();
            }
            user.to_string()
        })
        .collect();
    there.sort();
    let report = report(at, &job).await;
    (job["counts"].clone(), json!(report), json!(there))
}

async fn the_same_in_batches_of_any_size(mut server: TestServer, kind: &str) {
    let dice = Dice(SeededRandom::new(41));
    let record = match kind {
        "users" => federated_record,
        _ => directory_record,
    };
    let before = ndjson((0..6).map(|n| record(&dice, n)));
    let text = ndjson((100..100 + RECORDS).map(|n| record(&dice, n)));
    for policy in ["fail", "skip", "update"] {
        let mut expected = None;
        for size in SIZES {
            server = server.restart(batches_of(size)).await;
            let name = format!("{policy}{size}");
            let at = Instance::new(&server, &name).await;
            outcome(&at, kind, "on_conflict=skip", &before).await;
            let query = format!("on_conflict={policy}");
            let (counts, told, _) =
                outcome(&at, kind, &format!("{query}&dry_run=true"), &text).await;
            let done = outcome(&at, kind, &query, &text).await;
            // A rehearsal of updates knows users as they were before the file: one that is changed twice may be told otherwise.
            if policy != "update" {
                let rehearsed = (&counts, &told);
                assert_eq!(rehearsed, (&done.0, &done.1), "rehearsed {kind} {name}");
            }
            match &expected {
                None => expected = Some(done),
                Some(expected) => assert_eq!(&done, expected, "{kind} {name}"),
            }
        }
    }
}

/// A bundle of these people, each a line of NDJSON.
fn bundle_of(people: &[Value]) -> Vec<u8> {
    let random = SeededRandom::new(5);
    let source = Source {
        instance: TenantId::parse("0191f3d0-0000-4000-8000-000000000001").unwrap(),
        name: String::from("crafted"),
        region: String::from("local"),
        version: String::from("0"),
        predicate: None,
    };
    let created = Timestamp::from_millis(1_795_467_480_123);
    let mut writer = BundleWriter::new(Vec::new(), SECRET, source, created, &random).unwrap();
    for person in people {
        let person = Person::from_line(person.to_string().as_bytes()).expect("a person");
        writer.write(&person).unwrap();
    }
    writer.end_part().unwrap();
    writer.finish().unwrap().0
}

/// A directory user of a bundle with a profile. The number makes the ids.
fn person(number: u32, email: &str, name: &str) -> Value {
    json!({
        "directory": {
            "id": format!("0191f3d0-0000-4000-8000-0000000{number:05}"), "user": {"emails": [{"value": email, "primary": true}], "userName": name},
            "status": "CONFIRMED", "active": true, "created": 1, "modified": 2,
        },
        "profile": profile(number, &[]),
    })
}

fn profile(number: u32, identities: &[&str]) -> Value {
    let identities: Vec<Value> = identities
        .iter()
        .map(|id| json!({"provider": "google", "subject": id, "body": {"provider": "google", "id": id}}))
        .collect();
    json!({
        "id": format!("0291f3d0-0000-4000-8000-0000000{number:05}"), "kind": "known", "body": {}, "attributes": {"n": number},
        "identities": identities, "roles": [], "created": 1, "modified": 2,
    })
}

async fn unpack(at: &Instance<'_>, query: &str, file: Vec<u8>) -> Value {
    import_bundle(at, query, SECRET, file).await
}

on_each_engine! {
    async fn directory_users_who_stand_in_the_file_several_times(server) {
        the_same_in_batches_of_any_size(server, "cloud_directory").await;
    }

    async fn federated_users_who_stand_in_the_file_several_times(server) {
        the_same_in_batches_of_any_size(server, "users").await;
    }

    async fn two_records_of_one_user_here_update_it_one_after_the_other(server) {
        let at = with_roles(&server, "one").await;
        let user = |email: &str, name: &str, n: u32| json!({
            "scimUser": {"emails": [{"value": email, "primary": true}], "userName": name}, "passwordHash": "$2b$04$abcdefghijklmnopqrstuuZ.2BwMNdF1axR8iGGzqP8yI.hhN0FWa",
            "profile": {"attributes": {"n": n}}, "roles": [],
        });
        import(&at, "", ndjson([user("a@example.org", "one", 0)])).await.expect(200);
        // The first takes the address away from the user, the second still finds it by name.
        let text = ndjson([user("b@example.org", "one", 1), user("a@example.org", "two", 2), user("b@example.org", "three", 3)]);
        let job = import(&at, "on_conflict=update", text).await.expect(200).json();
        assert_eq!((&job["counts"]["updated"], &job["counts"]["added"], &job["counts"]["failed"]), (&json!(2), &json!(1), &json!(0)), "{job}");
        let (users, _) = export(&at, "").await;
        let mut there: Vec<String> = users.iter().map(|user| format!("{} {}", user["scimUser"]["userName"], user["profile"]["attributes"]["n"])).collect();
        there.sort();
        assert_eq!(there, ["\"three\" 3", "\"two\" 2"]);
    }

    async fn a_person_who_is_in_a_bundle_twice_meets_the_first_one(server) {
        let people = [
            person(1, "a@example.org", "a"),
            json!({"profile": profile(2, &["g2"])}),
            // Again, whole.
            person(1, "a@example.org", "a"),
            // Again, with another address and name: only the ids say so.
            person(1, "b@example.org", "b"),
            // The same profile without its user, and somebody else's identity.
            json!({"profile": profile(1, &[])}),
            json!({"profile": profile(3, &["g2"])}),
            person(4, "d@example.org", "d"),
        ];
        let file = bundle_of(&people);
        let mut server = server;
        for (policy, counts, second) in [("fail", (3, 0, 0, 4), "uniqueness"), ("skip", (3, 0, 2, 2), ""), ("update", (3, 2, 0, 2), "")] {
            let mut expected = None;
            for size in SIZES {
                server = server.restart(batches_of(size)).await;
                let at = Instance::new(&server, &format!("{policy}{size}")).await;
                let rehearsed = unpack(&at, &format!("on_conflict={policy}&dry_run=true"), file.clone()).await;
                let job = unpack(&at, &format!("on_conflict={policy}"), file.clone()).await;
                assert_eq!(job["state"], "succeeded", "{policy} {size} {job}");
                let told = &job["counts"];
                let (added, updated, skipped, failed) = counts;
                assert_eq!(
                    (&told["added"], &told["updated"], &told["skipped"], &told["failed"]),
                    (&json!(added), &json!(updated), &json!(skipped), &json!(failed)),
                    "{policy} {size} {job}"
                );
                let lines = report(&at, &job).await;
                assert_eq!(lines.len(), 4, "{policy} {size} {lines:?}");
                assert_eq!((lines[0].0, lines[0].2.as_str()), (2, second), "{policy} {size} {lines:?}");
                assert_eq!((lines[1].0, lines[1].2.as_str()), (3, "id_taken"), "{policy} {size} {lines:?}");
                assert_eq!((&rehearsed["counts"], &report(&at, &rehearsed).await), (told, &lines), "{policy} {size}");
                match &expected {
                    None => expected = Some(lines),
                    Some(expected) => assert_eq!(&lines, expected, "{policy} {size}"),
                }
            }
        }
    }
}
