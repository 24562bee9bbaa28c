//! Applications and roles in a duplication.

use std::{collections::HashMap, sync::Arc};

use vestibule_model::{
    application::{Application, Origin},
    id::{ClientId, RoleId},
    role::{Role, RoleAccess},
    time::Timestamp,
};
use vestibule_store::snapshot::Snapshot;

use super::{
    Outcome, Part,
    plan::{Plan, Work},
};
use crate::{Engine, Result, application::too_many_applications, role::too_many_roles};

/// An application of the source and the one that stands for it at the target.
struct Pair<'a> {
    source: &'a Application,
    client: ClientId,
    /// What the target has under that client id now.
    target: Option<&'a Application>,
}

/// Adds applications and roles to the plan, as far as they were asked for.
pub(super) fn carry(
    engine: &Engine,
    work: &Work,
    target: &Snapshot,
    plan: &mut Plan,
    now: Timestamp,
) -> Result<()> {
    let applications = work.parts.contains(&Part::Applications);
    let roles = work.parts.contains(&Part::Roles);
    let mut pairs = pair(&work.source, target);
    if applications {
        add_missing(engine, &work.source, &mut pairs);
    }
    let mut role_ids = HashMap::new();
    if roles {
        role_ids = carry_roles(engine, work, target, &pairs, plan)?;
    }
    if applications {
        carry_applications(work, target, &pairs, plan, now)?;
        if roles {
            carry_application_roles(work, target, &pairs, &role_ids, plan);
        }
        note_applications(plan);
    }
    Ok(())
}

/// Pairs applications by name. Names are not unique: those that share one are paired in order of creation.
fn pair<'a>(source: &'a Snapshot, target: &'a Snapshot) -> Vec<Pair<'a>> {
    let mut free: Vec<&Application> = managed(target).collect();
    let mut pairs = Vec::new();
    for application in managed(source) {
        if let Some(at) = free.iter().position(|other| other.name == application.name) {
            let other = free.remove(at);
            pairs.push(Pair {
                source: application,
                client: other.client_id,
                target: Some(other),
            });
        }
    }
    pairs
}

fn add_missing<'a>(engine: &Engine, source: &'a Snapshot, pairs: &mut Vec<Pair<'a>>) {
    for application in managed(source) {
        let known = |pair: &Pair<'_>| pair.source.client_id == application.client_id;
        if !pairs.iter().any(known) {
            pairs.push(Pair {
                source: application,
                client: ClientId::from_random_bytes(engine.random_id()),
                target: None,
            });
        }
    }
}

fn carry_applications(
    work: &Work,
    target: &Snapshot,
    pairs: &[Pair<'_>],
    plan: &mut Plan,
    now: Timestamp,
) -> Result<()> {
    let mut outcomes = Vec::new();
    for application in managed(&work.source) {
        let Some(pair) = pairs
            .iter()
            .find(|pair| pair.source.client_id == application.client_id)
        else {
            continue;
        };
        let outcome = match pair.target {
            None => {
                plan.new_applications.push(Application {
                    client_id: pair.client,
                    // Applications are listed by creation; those made together keep the source's order.
                    created_at: Timestamp::from_millis(
                        now.millis() + i64::try_from(plan.new_applications.len()).unwrap_or(0),
                    ),
                    ..application.clone()
                });
                Outcome::Created
            }
            Some(there) => {
                note_differences(application, there, plan);
                if there.scopes != application.scopes {
                    plan.scopes.push((pair.client, application.scopes.clone()));
                }
                if there.metadata != application.metadata {
                    let metadata = Arc::clone(&application.metadata);
                    plan.metadata.push((pair.client, metadata));
                }
                if there.scopes == application.scopes && there.metadata == application.metadata {
                    Outcome::Unchanged
                } else {
                    Outcome::Updated
                }
            }
        };
        outcomes.push((application.name.clone(), outcome));
    }
    if managed(target).count() + plan.new_applications.len() > Application::MOST {
        return Err(too_many_applications());
    }
    plan.report.applications = Some(outcomes);
    Ok(())
}

fn note_differences(source: &Application, there: &Application, plan: &mut Plan) {
    let warnings = &mut plan.report.warnings;
    if there.kind != source.kind {
        warnings.push(format!(
            "Application {} stays a {}: the type of an application cannot change.",
            there.name,
            there.kind.name()
        ));
    }
    let dropped: Vec<&str> = there
        .scopes
        .iter()
        .filter(|scope| !source.scopes.contains(scope))
        .map(String::as_str)
        .collect();
    if !dropped.is_empty() {
        warnings.push(format!(
            "Application {} has no scope {} at the source: it leaves the roles of the target that hold it.",
            there.name,
            dropped.join(", ")
        ));
    }
}

/// Pairs roles by name, which is unique, and answers the target's id for each of the source's.
fn carry_roles(
    engine: &Engine,
    work: &Work,
    target: &Snapshot,
    pairs: &[Pair<'_>],
    plan: &mut Plan,
) -> Result<HashMap<RoleId, RoleId>> {
    let mut ids = HashMap::new();
    let mut outcomes = Vec::new();
    for role in &work.source.roles {
        let there = target.roles.iter().find(|other| other.name == role.name);
        let copy = Role {
            id: there.map_or_else(
                || RoleId::from_random_bytes(engine.random_id()),
                |other| other.id,
            ),
            name: role.name.clone(),
            description: role.description.clone(),
            access: carry_access(work, role, pairs, plan),
        };
        ids.insert(role.id, copy.id);
        let outcome = match there {
            None => Outcome::Created,
            Some(other) if same(other, &copy) => Outcome::Unchanged,
            Some(_) => Outcome::Updated,
        };
        outcomes.push((role.name.clone(), outcome));
        match outcome {
            Outcome::Created => plan.new_roles.push(copy),
            Outcome::Updated => plan.changed_roles.push(copy),
            Outcome::Unchanged | Outcome::Skipped => {}
        }
    }
    if target.roles.len() + plan.new_roles.len() > Role::MOST {
        return Err(too_many_roles());
    }
    plan.report.roles = Some(outcomes);
    Ok(ids)
}

/// The access of a role in terms of the target's applications. What has no counterpart there is left out, and said.
fn carry_access(work: &Work, role: &Role, pairs: &[Pair<'_>], plan: &mut Plan) -> Vec<RoleAccess> {
    let copied = work.parts.contains(&Part::Applications);
    let mut carried = Vec::new();
    for access in &role.access {
        let Some(pair) = pairs
            .iter()
            .find(|pair| pair.source.client_id == access.client_id)
        else {
            let name = name_of(&work.source, access.client_id);
            plan.report.warnings.push(format!(
                "Role {} loses its scopes of application {name}, which the target does not have.",
                role.name
            ));
            continue;
        };
        let (kept, lost): (Vec<String>, Vec<String>) =
            access.scopes.iter().cloned().partition(|scope| {
                copied
                    || pair
                        .target
                        .is_some_and(|there| there.scopes.contains(scope))
            });
        if !lost.is_empty() {
            plan.report.warnings.push(format!(
                "Role {} loses {}, which application {} of the target does not have.",
                role.name,
                lost.join(", "),
                pair.source.name
            ));
        }
        if !kept.is_empty() {
            carried.push(RoleAccess {
                client_id: pair.client,
                scopes: kept,
            });
        }
    }
    carried
}

fn carry_application_roles(
    work: &Work,
    target: &Snapshot,
    pairs: &[Pair<'_>],
    role_ids: &HashMap<RoleId, RoleId>,
    plan: &mut Plan,
) {
    for pair in pairs {
        let mut wanted: Vec<RoleId> = roles_of(&work.source, pair.source.client_id)
            .filter_map(|role| role_ids.get(&role).copied())
            .collect();
        let mut present: Vec<RoleId> = roles_of(target, pair.client).collect();
        wanted.sort_unstable();
        present.sort_unstable();
        if wanted == present {
            continue;
        }
        plan.application_roles.push((pair.client, wanted));
        if pair.target.is_some() {
            mark_updated(work, pair.source, plan);
        }
    }
}

/// An application whose scopes were the same already, but whose roles were not.
fn mark_updated(work: &Work, source: &Application, plan: &mut Plan) {
    let at = managed(&work.source).position(|one| one.client_id == source.client_id);
    let outcomes = plan.report.applications.as_mut();
    if let Some((_, outcome)) = at.zip(outcomes).and_then(|(at, all)| all.get_mut(at)) {
        *outcome = Outcome::Updated;
    }
}

fn note_applications(plan: &mut Plan) {
    if !plan.new_applications.is_empty() {
        plan.report.warnings.push(String::from(
            "Applications that are created have a client id and a secret of their own: configure them with these.",
        ));
    }
}

/// Applications that administrators made. Those that registered themselves know one instance only, and stay there.
fn managed(snapshot: &Snapshot) -> impl Iterator<Item = &Application> {
    snapshot
        .applications
        .iter()
        .map(|(application, _)| application)
        .filter(|application| application.origin == Origin::Management)
}

fn roles_of(snapshot: &Snapshot, client: ClientId) -> impl Iterator<Item = RoleId> + '_ {
    snapshot
        .application_roles
        .iter()
        .filter(move |(owner, _)| *owner == client)
        .map(|(_, role)| *role)
}

fn name_of(snapshot: &Snapshot, client: ClientId) -> String {
    snapshot
        .applications
        .iter()
        .find(|(application, _)| application.client_id == client)
        .map_or_else(
            || client.to_string(),
            |(application, _)| application.name.clone(),
        )
}

/// Whether two roles are alike, whatever the order in which they name applications.
fn same(a: &Role, b: &Role) -> bool {
    let find = |access: &RoleAccess| {
        b.access
            .iter()
            .find(|other| other.client_id == access.client_id)
    };
    a.description == b.description
        && a.access.len() == b.access.len()
        && a.access.iter().all(|access| find(access) == Some(access))
}
