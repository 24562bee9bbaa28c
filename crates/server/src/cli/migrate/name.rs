//! The id of a move, which says of which move it is: half of it is random, half follows from the former, from both instances, and from how
//! the move was asked for. So whoever goes on with it by its id, from any machine, cannot go on with another one.

use anyhow::{Context, Result, bail};
use uuid::Uuid;
use vestibule_crypto::derived::derived_secret;

/// What a move was asked for.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// GUID of the source.
    pub from: &'a str,
    /// GUID of the target.
    pub to: &'a str,
    /// `keep` or `remap`.
    pub ids: &'a str,
    /// `fail`, `skip` or `update`.
    pub on_conflict: &'a str,
}

impl Asked<'_> {
    /// The id of this move that begins like a random one.
    pub fn name(self, random: Uuid) -> Uuid {
        let (head, _) = parts(random);
        let what = format!(
            "move of {} to {} with {} {}",
            self.from, self.to, self.ids, self.on_conflict
        );
        let follows = derived_secret(&format!("{head:016x}"), &what);
        let tail = follows
            .bytes()
            .take(16)
            .filter_map(|digit| char::from(digit).to_digit(16))
            .fold(0, |number, digit| number << 4 | u64::from(digit));
        build(head, tail)
    }

    /// Refuses an id of another move; answers it.
    pub fn check(self, id: &str) -> Result<Uuid> {
        let id = Uuid::parse_str(id).context("is not the id of a move")?;
        if self.name(id) == id {
            return Ok(id);
        }
        for ids in ["keep", "remap"] {
            for on_conflict in ["fail", "skip", "update"] {
                let other = Self {
                    ids,
                    on_conflict,
                    ..self
                };
                if other.name(id) == id {
                    bail!(
                        "the move {id} was begun with --ids {ids} --on-conflict {on_conflict}: go on with these, or begin a new move, without --resume"
                    );
                }
            }
        }
        bail!(
            "{id} is no move of instance {} to instance {}: go on with the command that was printed, or begin anew, without --resume",
            self.from,
            self.to
        )
    }
}

/// Both halves.
fn parts(id: Uuid) -> (u64, u64) {
    build_from(id).as_u64_pair()
}

fn build(head: u64, tail: u64) -> Uuid {
    build_from(Uuid::from_u64_pair(head, tail))
}

/// With the bits that say that it is a UUID of one's own making (RFC 9562 section 5.8).
fn build_from(id: Uuid) -> Uuid {
    uuid::Builder::from_custom_bytes(id.into_bytes()).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_of_one_move_only() {
        let asked = Asked {
            from: "a",
            to: "b",
            ids: "keep",
            on_conflict: "fail",
        };
        let id = asked.name(Uuid::new_v4());
        assert_ne!(id, asked.name(Uuid::new_v4()));
        assert_eq!(asked.check(&id.to_string()).unwrap(), id);
        let told = |asked: Asked<'_>| asked.check(&id.to_string()).unwrap_err().to_string();
        let other = Asked { to: "c", ..asked };
        assert!(told(other).contains("no move of instance a to instance c"));
        let other = Asked { from: "c", ..asked };
        assert!(told(other).contains("no move of instance c to instance b"));
        let other = Asked {
            on_conflict: "update",
            ..asked
        };
        assert!(told(other).contains("--ids keep --on-conflict fail"));
    }
}
