//! Instance B cannot touch instance A's rows: every store function of an instance is called at B with the ids of A's rows. It
//! finds nothing, and A's rows stay as they are. A function that this file does not call fails the last test.

use vestibule_model::{
    application::{Application, ApplicationType, Origin, metadata::ClientMetadata},
    attributes::Attributes,
    directory::{DirectoryUser, LoginField, UserCard, UserStatus},
    id::{ClientId, DirectoryUserId, GrantId, JobId, ProfileId, RoleId, TenantId},
    instance::{Instance, InstanceState},
    job::{Job, JobCounts, JobFeed, JobKind, JobLease, JobState, JobWish},
    object::RawObject,
    profile::{Identity, Profile, ProfileKind},
    role::{Role, RoleAccess},
    time::Timestamp,
};
use vestibule_store::{
    Db, DbOptions, Error, Page, Result, Store, Value,
    client::{Consent, InitialToken},
    device::{DeviceRequest, DeviceState},
    directory::StoredUser,
    job::{JobEnd, JobFile, JobLines, JobStep},
    people::{PersonRows, ProfileRow, ProfileScan},
    platform::instances::TENANT_TABLES,
    profile::{LeftOut, ProfileSearch},
    pushed::PushedRequest,
    runtime::{AuthCode, Grant, Redeemed, RefreshToken, Rotated},
    scope::Tenant,
    session::Session,
    snapshot::{Revocation, RevocationKind, SealedKey},
};

use crate::{Fixture, TempDir};

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_000_000);

pub(super) fn tenant(n: u8) -> TenantId {
    TenantId::from_random_bytes([n; 16])
}

/// The ids of A's rows. B is given the same.
pub(super) struct Ids {
    pub(super) client: ClientId,
    pub(super) role: RoleId,
    pub(super) user: DirectoryUserId,
    pub(super) profile: ProfileId,
    pub(super) grant: GrantId,
    pub(super) job: JobId,
}

pub(super) const fn ids() -> Ids {
    let uuid = uuid::Uuid::from_u128(7);
    Ids {
        client: ClientId::from_uuid(uuid),
        role: RoleId::from_uuid(uuid),
        user: DirectoryUserId::from_uuid(uuid),
        profile: ProfileId::from_uuid(uuid),
        grant: GrantId::from_uuid(uuid),
        job: JobId::from_uuid(uuid),
    }
}

pub(super) fn bad(error: impl std::fmt::Display) -> Error {
    Error::Other(error.to_string())
}

fn application() -> Application {
    Application {
        client_id: ids().client,
        name: String::from("app"),
        kind: ApplicationType::RegularWebApp,
        scopes: vec![],
        origin: Origin::Registration,
        metadata: std::sync::Arc::default(),
        created_at: NOW,
    }
}

fn role() -> Role {
    Role {
        id: ids().role,
        name: String::from("role"),
        description: String::new(),
        access: vec![RoleAccess {
            client_id: ids().client,
            scopes: vec![String::from("read")],
        }],
    }
}

pub(super) fn user() -> Result<StoredUser> {
    let body = RawObject::parse(r#"{"emails":[{"value":"a@example.org"}],"userName":"ann"}"#)
        .map_err(bad)?;
    Ok(StoredUser {
        user: DirectoryUser {
            id: ids().user,
            card: UserCard::parse(body).map_err(bad)?,
            status: UserStatus::Confirmed,
            active: true,
            locked_until: None,
            original_id: None,
            last_login_at: None,
            created_at: NOW,
            modified_at: NOW,
        },
        password_hash: Some(String::from("old")),
        password_changed_at: Some(NOW),
    })
}

pub(super) fn profile(kind: ProfileKind) -> Result<Profile> {
    Ok(Profile {
        id: ids().profile,
        kind,
        name: Some(String::from("Ann")),
        email: Some(String::from("a@example.org")),
        body: RawObject::parse("{}").map_err(bad)?,
        attributes: Attributes::parse(RawObject::parse(r#"{"a":1}"#).map_err(bad)?).map_err(bad)?,
        created_at: NOW,
        modified_at: NOW,
    })
}

pub(super) fn identity() -> Result<Identity> {
    let body = RawObject::parse(r#"{"provider":"google","id":"g-1"}"#).map_err(bad)?;
    Identity::parse(body).map_err(bad)
}

fn job() -> Job {
    Job {
        id: ids().job,
        kind: JobKind::DirectoryExport,
        state: JobState::Queued,
        feed: JobFeed::Instance,
        ready: true,
        wish: None,
        options: String::from("{}"),
        total: None,
        counts: JobCounts::default(),
        bytes: 0,
        progress: String::from("{}"),
        error: None,
        warnings: vec![],
        digest: None,
        created_by: String::new(),
        node: None,
        epoch: 0,
        lease_until: NOW,
        busy_ms: 0,
        created_at: NOW,
        started_at: None,
        ended_at: None,
        expires_at: None,
    }
}

fn grant() -> Grant {
    Grant {
        id: ids().grant,
        client: ids().client,
        profile: ids().profile,
        body: String::from("{}"),
        created_at: NOW,
        expires_at: NOW.plus_seconds(60),
        revoked_at: None,
    }
}

fn code() -> AuthCode {
    AuthCode {
        grant: ids().grant,
        client: ids().client,
        body: String::from("{}"),
        expires_at: NOW.plus_seconds(60),
    }
}

fn session() -> Session {
    Session {
        sid: String::from("sid"),
        profile: ids().profile,
        body: String::from("{}"),
        auth_at: NOW,
        expires_at: NOW.plus_seconds(60),
    }
}

fn pushed_request() -> PushedRequest {
    PushedRequest {
        client: ids().client,
        sealed: vec![1],
        expires_at: NOW.plus_seconds(60),
    }
}

fn device_request() -> DeviceRequest {
    DeviceRequest {
        client: ids().client,
        state: DeviceState::Pending,
        body: String::from("{}"),
        answer: None,
        good_until: NOW.plus_seconds(60),
    }
}

fn refresh_token() -> RefreshToken {
    RefreshToken {
        grant: ids().grant,
        client: ids().client,
        profile: ids().profile,
        expires_at: NOW.plus_seconds(60),
    }
}

fn initial_token() -> InitialToken {
    InitialToken {
        id: String::from("initial"),
        uses_left: 1,
        created_at: NOW,
        expires_at: NOW.plus_seconds(60),
    }
}

fn consent() -> Consent {
    Consent {
        client: ids().client,
        scopes: String::from("openid"),
        granted_at: NOW,
    }
}

/// One row in every table of an instance.
fn populate(t: &mut Tenant<'_, '_>) -> Result<()> {
    t.update_config("tokens", b"sealed", NOW)?;
    t.insert_signing_key(&SealedKey {
        kid: String::from("kid"),
        algorithm: String::from("RS256"),
        sealed: vec![1],
        created_at: NOW,
        retired_at: None,
    })?;
    t.insert_application(&application(), Some(b"sealed"))?;
    t.update_application_scopes(ids().client, &[String::from("read")])?;
    t.insert_role(&role(), NOW)?;
    t.update_application_roles(ids().client, &[ids().role])?;
    t.insert_directory_user(&user()?)?;
    t.insert_profile(&profile(ProfileKind::Future)?)?;
    t.insert_identity(ids().profile, 0, &identity()?)?;
    t.update_user_roles(ids().profile, &[ids().role])?;
    t.insert_job(&job(), Some(b"sealed"))?;
    t.insert_job_lines(ids().job, JobLines::Report, 0, "{}\n")?;
    t.insert_job_part(ids().job, JobFile::Out, 0, vec![1])?;
    t.insert_grant(&grant())?;
    t.insert_auth_code("code", &code(), NOW)?;
    t.insert_session("session", &session())?;
    t.insert_session_client("session", ids().client)?;
    t.update_consent(ids().profile, &consent())?;
    t.insert_initial_token("initial", &initial_token())?;
    t.use_assertion("assertion", NOW.plus_seconds(60))?;
    t.update_registration_hash(ids().client, "registration")?;
    t.insert_pushed_request("pushed", &pushed_request(), NOW)?;
    let later = NOW.plus_seconds(120);
    let waiting = device_request();
    assert!(t.insert_device_request(("device", "user"), &waiting, NOW, later)?);
    assert!(!t.insert_device_request(("other", "user"), &waiting, NOW, later)?);
    assert!(t.insert_device_request(("device2", "user2"), &waiting, NOW, later)?);
    assert!(t.answer_device_request("user2", Some("{}"), NOW)?);
    t.insert_proof("proof", NOW.plus_seconds(60))?;
    t.insert_refresh_token("refresh", &refresh_token(), NOW)?;
    t.insert_revocation(&Revocation {
        kind: RevocationKind::Token,
        subject: String::from("jti"),
        issued_before: NOW,
        expires_at: NOW.plus_seconds(60),
    })
}

/// Every read, with the ids of A's rows, at an instance that has none.
fn read_everything(t: &mut Tenant<'_, '_>) -> Result<()> {
    let (names, page) = (
        vec![
            String::from("a@example.org"),
            String::from("ann"),
            String::from("g-1"),
        ],
        Page {
            start: 0,
            count: 100,
        },
    );
    assert!(t.list_applications()?.is_empty());
    assert_eq!(t.count_applications()?, 0);
    assert!(t.find_application(ids().client)?.is_none());
    assert!(t.list_application_roles(ids().client)?.is_empty());
    assert!(t.list_roles()?.is_empty());
    assert_eq!(t.count_roles()?, 0);
    assert!(t.find_role(ids().role)?.is_none());
    assert!(t.find_config("tokens")?.is_none());
    assert!(!t.has_directory_users()?);
    assert!(t.find_directory_user(ids().user)?.is_none());
    assert!(
        t.find_directory_user_by_login(LoginField::Email, "a@example.org")?
            .is_none()
    );
    assert!(
        t.find_directory_user_by_login(LoginField::UserName, "ann")?
            .is_none()
    );
    assert!(t.list_directory_users_matching("a@example.org")?.is_empty());
    assert!(t.list_directory_users(page)?.is_empty());
    assert_eq!(t.count_directory_users()?, 0);
    assert!(t.list_users_by_email(&names)?.is_empty());
    assert!(t.list_users_by_user_name(&names)?.is_empty());
    assert!(t.find_profile(ids().profile)?.is_none());
    assert_eq!(t.list_profiles(&ProfileSearch::default(), page)?.1, 0);
    assert_eq!(t.list_federated_profiles(page)?.1, 0);
    assert!(
        t.list_known_profile_ids(&[ids().profile.to_string()])?
            .is_empty()
    );
    assert!(t.find_newest_profile_time()?.is_none());
    assert!(t.list_known_user_ids(&[ids().user.to_string()])?.is_empty());
    assert!(t.scan_directory_users("", 10)?.is_empty());
    for which in [ProfileScan::Federated, ProfileScan::WithoutDirectoryUser] {
        assert!(t.scan_profiles(which, "", 10)?.is_empty());
    }
    let mut row = ProfileRow {
        id: ids().profile.to_string(),
        ..ProfileRow::default()
    };
    t.add_identities_of([&mut row].into_iter())?;
    assert!(row.identities.is_empty());
    assert_eq!(t.count_left_out_of_directory()?, LeftOut::default());
    assert_eq!(t.count_left_out_of_profiles()?, LeftOut::default());
    assert!(t.find_job(ids().job)?.is_none());
    assert!(t.find_job_secret(ids().job)?.is_none());
    assert!(t.list_jobs(None, None, Some(ids().job), 10)?.is_empty());
    assert_eq!(t.count_live_jobs()?, 0);
    assert!(t.find_job_lines(ids().job, JobLines::Report, -1)?.is_none());
    assert!(t.find_job_part(ids().job, JobFile::Out, 0)?.is_none());
    assert!(t.list_user_roles(ids().profile)?.is_empty());
    assert!(t.list_roles_of(&[ids().profile])?.is_empty());
    assert!(t.find_profile_by_identity("google", "g-1")?.is_none());
    assert!(t.find_future_profile("google", &names)?.is_none());
    assert!(t.find_person(ids().profile)?.is_none());
    assert!(t.list_identities(ids().profile)?.is_empty());
    assert!(t.list_identities_of(&[ids().profile])?.is_empty());
    assert!(t.list_profiles_by_subject(&names)?.is_empty());
    assert!(t.list_profiles_at("google", &names)?.is_empty());
    assert!(t.find_grant(ids().grant)?.is_none());
    assert!(t.find_refresh_token("refresh")?.is_none());
    assert!(t.find_session("session")?.is_none());
    assert!(
        t.list_session_clients(ids().profile, Some("session"))?
            .is_empty()
    );
    assert!(t.list_session_clients(ids().profile, None)?.is_empty());
    assert_eq!(t.count_registered_applications()?, 0);
    assert!(t.find_registration_hash(ids().client)?.is_none());
    assert!(t.list_initial_tokens()?.is_empty());
    assert!(!t.has_initial_token("initial", NOW)?);
    assert!(t.list_consents(ids().profile)?.is_empty());
    assert!(t.find_consent(ids().profile, ids().client)?.is_none());
    assert!(t.find_pushed_request("pushed")?.is_none());
    assert!(t.find_device_request("device")?.is_none());
    assert!(t.find_pending_device("user", NOW)?.is_none());
    assert!(t.list_signing_keys()?.is_empty());
    let snapshot = t.find_snapshot()?.ok_or_else(|| bad("no instance"))?;
    assert!(
        snapshot.config.is_empty()
            && snapshot.applications.is_empty()
            && snapshot.revocations.is_empty()
    );
    Ok(())
}

/// Every change, with the ids of A's rows.
fn change_everything(t: &mut Tenant<'_, '_>) -> Result<()> {
    let later = NOW.plus_seconds(1);
    assert!(!t.update_application_name(ids().client, "changed", later)?);
    assert!(!t.update_application_secret(ids().client, b"changed", later)?);
    assert!(!t.delete_application(ids().client)?);
    assert!(!t.update_role(&role(), later)?);
    assert!(!t.delete_role(ids().role)?);
    assert!(!t.update_directory_user(&user()?.user)?);
    assert!(!t.update_password(ids().user, Some("changed"), later)?);
    assert!(!t.update_password_hash(ids().user, "old", "changed")?);
    assert!(!t.record_login(ids().user, later)?);
    assert!(!t.delete_directory_user(ids().user)?);
    assert!(!t.update_profile(&profile(ProfileKind::Known)?)?);
    assert!(!t.update_attributes(
        ids().profile,
        &profile(ProfileKind::Known)?.attributes,
        later
    )?);
    assert!(!t.delete_profile(ids().profile)?);
    assert!(!t.update_identity(&identity()?)?);
    t.update_identities(ids().profile, &[])?;
    t.extend_grant(ids().grant, NOW.plus_seconds(600))?;
    assert!(!t.revoke_grant(ids().grant, later)?);
    assert_eq!(t.revoke_profile_grants(ids().profile, later)?, 0);
    assert!(
        t.revoke_client_grants(ids().profile, ids().client, later)?
            .is_empty()
    );
    assert_eq!(t.redeem_auth_code("code", later)?, Redeemed::Unknown);
    assert!(!t.extend_refresh_token("refresh", later)?);
    assert_eq!(
        t.rotate_refresh_token("refresh", later, NOW)?,
        Rotated::Unknown
    );
    t.revoke_profile_tokens(ids().profile, later)?;
    assert!(!t.extend_session("session", later)?);
    assert_eq!(t.retire_signing_keys("RS256", later)?, 0);
    assert_eq!(t.delete_retired_signing_keys(later)?, 0);
    assert!(!t.delete_session("session")?);
    assert!(!t.update_application_metadata(ids().client, &ClientMetadata::default(), later)?);
    assert!(!t.update_registration_hash(ids().client, "changed")?);
    assert!(!t.use_initial_token("initial", NOW)?);
    assert!(!t.delete_initial_token("initial")?);
    assert!(!t.delete_consent(ids().profile, ids().client)?);
    // What one instance has seen is new to another.
    assert!(t.use_assertion("assertion", later)?);
    assert!(!t.delete_pushed_request("pushed")?);
    assert!(!t.answer_device_request("user", Some("{}"), NOW)?);
    assert!(t.redeem_device_request("device2", NOW)?.is_none());
    // A proof that A has seen is new here.
    assert!(t.insert_proof("proof", later)?);
    assert!(!t.insert_proof("proof", later)?);
    assert_eq!(t.delete_profile_sessions(ids().profile)?, 0);
    change_jobs(t, later)?;
    t.lock_people()?;
    t.lock_directory_user(ids().user)?;
    t.lock_profile(ids().profile)?;
    t.lock_identity("google", "g-1")?;
    // What takes the ids of other rows of A can only fail or do nothing.
    for attempt in [
        |t: &mut Tenant<'_, '_>| {
            t.update_application_scopes(ids().client, &[String::from("stolen")])
        },
        |t: &mut Tenant<'_, '_>| t.update_application_roles(ids().client, &[ids().role]),
        |t: &mut Tenant<'_, '_>| t.update_user_roles(ids().profile, &[ids().role]),
        |t: &mut Tenant<'_, '_>| {
            let own = PersonRows::new(t.id(), None, Some((&profile(ProfileKind::Known)?, &[])));
            t.insert_people(&[(&own, vec![ids().role])])
        },
        |t: &mut Tenant<'_, '_>| {
            let rows = PersonRows::new(tenant(1), None, Some((&profile(ProfileKind::Known)?, &[])));
            t.insert_people(&[(&rows, vec![])])
        },
        |t: &mut Tenant<'_, '_>| t.insert_job_lines(ids().job, JobLines::Report, 9, "stolen"),
        |t: &mut Tenant<'_, '_>| t.insert_job_part(ids().job, JobFile::Out, 9, vec![9]),
        |t: &mut Tenant<'_, '_>| t.insert_identities(&[(ids().profile, 0, &identity()?)]),
        |t: &mut Tenant<'_, '_>| t.insert_session("stolen", &session()),
        |t: &mut Tenant<'_, '_>| t.insert_session_client("session", ids().client),
        |t: &mut Tenant<'_, '_>| t.update_consent(ids().profile, &consent()),
        |t: &mut Tenant<'_, '_>| t.insert_pushed_request("stolen", &pushed_request(), NOW),
        |t: &mut Tenant<'_, '_>| {
            t.insert_device_request(("stolen", "stolen"), &device_request(), NOW, NOW)
                .map(drop)
        },
        |t: &mut Tenant<'_, '_>| t.insert_refresh_token("stolen", &refresh_token(), NOW),
    ] {
        assert!(
            t.attempt(attempt).is_err(),
            "rows of another instance were referred to"
        );
    }
    // Rows of its own with the same ids stand beside A's.
    t.insert_application(&application(), None)?;
    t.insert_profile(&profile(ProfileKind::Known)?)?;
    let own = t.find_person(ids().profile)?;
    assert!(own.is_some_and(|own| own.identities.is_empty() && own.user.is_none()));
    assert!(t.insert_job(&job(), None)?);
    assert!(t.delete_job(ids().job)?);
    assert!(t.delete_application(ids().client)?);
    while t.delete_some_rows(1)? {}
    t.touch(later).map(|_| ())
}

fn change_jobs(t: &mut Tenant<'_, '_>, later: Timestamp) -> Result<()> {
    let job = ids().job;
    let lease = JobLease { id: job, epoch: 0 };
    let end = JobEnd {
        state: JobState::Failed,
        error: None,
        warnings: vec![],
        digest: None,
        at: later,
        expires_at: None,
    };
    assert!(t.take_job(job, "node", later, later)?.is_none());
    assert!(t.checkpoint_job(lease, &JobStep::default())?.is_none());
    assert!(!t.extend_job_lease(lease, later)?);
    assert!(!t.end_job(lease, &end)?);
    assert!(!t.hand_over_job(lease, "{}", Some(b"stolen"))?);
    assert!(!t.wish_job(job, JobWish::Cancel, later)?);
    assert!(!t.settle_job(job, JobState::Cancelled, false, later, None)?);
    assert!(!t.note_wish(job, Some(JobWish::Pause))?);
    assert_eq!(t.delete_some_job_parts(job, JobFile::Out, 0)?, 0);
    assert!(!t.delete_job(job)?);
    Ok(())
}

/// Every row of an instance, its own included.
fn dump(t: &TenantId, conn: &mut vestibule_store::Conn<'_>) -> Result<Vec<String>> {
    let mut rows = Vec::new();
    for (table, column) in TENANT_TABLES
        .iter()
        .map(|table| (*table, "tenant"))
        .chain([("instances", "guid")])
    {
        let found = conn.query(
            &format!("SELECT * FROM {table} WHERE {column} = $1"),
            &[Value::from(t.to_string())],
        )?;
        assert!(!found.is_empty(), "{table} was not populated");
        for row in found {
            let values = (0..row.len())
                .map(|i| row.value(i).map(|v| format!("{v:?}")))
                .collect::<Result<Vec<_>>>()?;
            rows.push(format!("{table} {}", values.join(" ")));
        }
    }
    rows.sort();
    Ok(rows)
}

pub(super) fn instance(guid: TenantId) -> Instance {
    Instance {
        guid,
        account_id: String::from("account"),
        name: String::from("instance"),
        region: String::from("local"),
        resource_group_id: String::from("default"),
        resource_plan_id: String::from("standard"),
        state: InstanceState::Active,
        locked: false,
        parameters: String::from("{}"),
        tags: String::from("[]"),
        last_operation: String::from("create"),
        created_by: String::new(),
        updated_by: String::new(),
        deleted_by: None,
        created_at: NOW,
        updated_at: NOW,
        deleted_at: None,
    }
}

async fn prove(url: String, _folder: Option<TempDir>) -> Result<()> {
    let (a, b) = (tenant(1), tenant(2));
    let store = Store::open(&url, DbOptions::default()).await?;
    store
        .platform_write(move |platform| {
            platform.insert_account("account", "name", NOW)?;
            platform.insert_instance(&instance(a))?;
            platform.insert_instance(&instance(b))?;
            platform.instance(a, populate)
        })
        .await?;
    store.read(b, read_everything).await?;
    let before = dumped(&store, &url, a).await?;
    let store = Store::open(&url, DbOptions::default()).await?;
    store.write(b, change_everything).await?;
    assert_eq!(dumped(&store, &url, a).await?, before);
    Ok(())
}

/// Closes the store, since SQLite's file has one owner, and reads A's rows without it.
async fn dumped(store: &Store, url: &str, of: TenantId) -> Result<Vec<String>> {
    store.close().await;
    let db = Db::open(url, DbOptions::default()).await?;
    let rows = db.read(move |conn| dump(&of, conn)).await;
    db.close().await;
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_instance_is_out_of_reach_on_sqlite() -> Result<()> {
    let fixture = Fixture::sqlite(DbOptions::default()).await?;
    fixture.db.close().await;
    prove(fixture.url.clone(), fixture._dir).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_instance_is_out_of_reach_on_postgresql() -> Result<()> {
    match Fixture::postgres(DbOptions::default()).await? {
        Some(fixture) => prove(fixture.url.clone(), None).await,
        None => Ok(()),
    }
}

#[test]
fn every_function_of_an_instance_is_tried_here() {
    let sources = [
        include_str!("../../src/application.rs"),
        include_str!("../../src/role.rs"),
        include_str!("../../src/config.rs"),
        include_str!("../../src/key.rs"),
        include_str!("../../src/directory.rs"),
        include_str!("../../src/profile.rs"),
        include_str!("../../src/identity.rs"),
        include_str!("../../src/runtime.rs"),
        include_str!("../../src/snapshot.rs"),
        include_str!("../../src/client.rs"),
        include_str!("../../src/device.rs"),
        include_str!("../../src/session.rs"),
        include_str!("../../src/job.rs"),
        include_str!("../../src/job/files.rs"),
        include_str!("../../src/people.rs"),
        include_str!("../../src/pushed.rs"),
    ];
    let here = include_str!("tenant.rs");
    for source in sources {
        let Some((_, body)) = source.split_once("impl Tenant<'_, '_> {") else {
            panic!("a file without functions of an instance");
        };
        let body = body.split("\n}\n").next().unwrap_or(body);
        for name in body
            .lines()
            .filter_map(|line| line.trim().strip_prefix("pub fn "))
        {
            let name = name.split(['(', '<']).next().unwrap_or(name);
            assert!(here.contains(&format!("t.{name}(")), "{name} is not tried");
        }
    }
}
