-- Times are integer milliseconds since the Unix epoch, passed in by the caller. JSON is opaque TEXT; what is searched has a
-- column of its own. `*_key` columns hold folded (lower-cased) text. The tenant column leads every key of an instance's tables.

-- Platform plane ---------------------------------------------------------------------------------------------------------
CREATE TABLE accounts (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

-- Keys that sign platform (IAM) tokens. `sealed` is opened only by the crypto crate.
CREATE TABLE platform_keys (
  kid TEXT NOT NULL PRIMARY KEY,
  algorithm TEXT NOT NULL,
  sealed BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  retired_at INTEGER
) STRICT;

-- Everyone who may hold an API key: people (`kind` = 'user') and service IDs (`kind` = 'service').
CREATE TABLE iam_subjects (
  iam_id TEXT NOT NULL PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  email TEXT,
  locked INTEGER NOT NULL,
  resource_key TEXT,
  version INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  modified_at INTEGER NOT NULL
) STRICT;
CREATE INDEX iam_subjects_by_kind ON iam_subjects (account_id, kind, created_at, id);

CREATE TABLE api_keys (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  iam_id TEXT NOT NULL REFERENCES iam_subjects (iam_id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  token_hash TEXT NOT NULL UNIQUE,
  locked INTEGER NOT NULL,
  disabled INTEGER NOT NULL,
  version INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  modified_at INTEGER NOT NULL,
  expires_at INTEGER,
  last_used_at INTEGER
) STRICT;
CREATE INDEX api_keys_by_subject ON api_keys (account_id, iam_id, created_at, id);

-- Refresh tokens of the platform token service (the console renews with them).
CREATE TABLE platform_refresh_tokens (
  token_hash TEXT NOT NULL PRIMARY KEY,
  iam_id TEXT NOT NULL REFERENCES iam_subjects (iam_id) ON DELETE CASCADE,
  api_key_id TEXT NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX platform_refresh_tokens_by_expiry ON platform_refresh_tokens (expires_at);

-- `body` holds the policy as the API shows it (roles, resources, description, pattern, rule); the columns are what is looked up.
CREATE TABLE policies (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  iam_id TEXT NOT NULL,
  type TEXT NOT NULL,
  state TEXT NOT NULL,
  body TEXT NOT NULL,
  version INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  modified_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  modified_at INTEGER NOT NULL
) STRICT;
CREATE INDEX policies_by_subject ON policies (account_id, iam_id, created_at, id);

-- `config_version` rises with each change of an instance's configuration, applications, roles or keys, in the transaction of
-- that change; `changed_at` lets other nodes find what changed.
CREATE TABLE instances (
  guid TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  name TEXT NOT NULL,
  region TEXT NOT NULL,
  resource_group_id TEXT NOT NULL,
  resource_plan_id TEXT NOT NULL,
  state TEXT NOT NULL,
  locked INTEGER NOT NULL,
  parameters TEXT NOT NULL,
  tags TEXT NOT NULL,
  last_operation TEXT NOT NULL,
  created_by TEXT NOT NULL,
  updated_by TEXT NOT NULL,
  deleted_by TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  deleted_at INTEGER,
  config_version INTEGER NOT NULL,
  changed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX instances_by_account ON instances (account_id, created_at, guid);
CREATE INDEX instances_by_name ON instances (account_id, name);
CREATE INDEX instances_by_change ON instances (changed_at);

CREATE TABLE resource_keys (
  guid TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  instance TEXT NOT NULL REFERENCES instances (guid),
  name TEXT NOT NULL,
  role TEXT NOT NULL,
  parameters TEXT NOT NULL,
  iam_id TEXT NOT NULL,
  api_key_id TEXT NOT NULL,
  state TEXT NOT NULL,
  created_by TEXT NOT NULL,
  updated_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX resource_keys_by_instance ON resource_keys (instance, created_at, guid);
CREATE INDEX resource_keys_by_account ON resource_keys (account_id, created_at, guid);

CREATE TABLE reclamations (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  instance TEXT NOT NULL UNIQUE REFERENCES instances (guid),
  state TEXT NOT NULL,
  target_time INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  updated_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX reclamations_by_time ON reclamations (target_time);

-- What an instance holds ---------------------------------------------------------------------------------------------------
-- Configuration families: one sealed JSON document each, since several hold secrets.
CREATE TABLE config (
  tenant TEXT NOT NULL,
  family TEXT NOT NULL,
  sealed BLOB NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, family)
) STRICT, WITHOUT ROWID;

CREATE TABLE signing_keys (
  tenant TEXT NOT NULL,
  kid TEXT NOT NULL,
  algorithm TEXT NOT NULL,
  sealed BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  retired_at INTEGER,
  PRIMARY KEY (tenant, kid)
) STRICT, WITHOUT ROWID;

CREATE TABLE applications (
  tenant TEXT NOT NULL,
  client_id TEXT NOT NULL,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  sealed_secret BLOB,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, client_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE application_scopes (
  tenant TEXT NOT NULL,
  client_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  position INTEGER NOT NULL,
  PRIMARY KEY (tenant, client_id, scope),
  FOREIGN KEY (tenant, client_id) REFERENCES applications (tenant, client_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE roles (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, id),
  UNIQUE (tenant, name)
) STRICT, WITHOUT ROWID;

-- A scope that its application drops leaves every role that used it.
CREATE TABLE role_scopes (
  tenant TEXT NOT NULL,
  role_id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  position INTEGER NOT NULL,
  PRIMARY KEY (tenant, role_id, client_id, scope),
  FOREIGN KEY (tenant, role_id) REFERENCES roles (tenant, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant, client_id, scope) REFERENCES application_scopes (tenant, client_id, scope) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX role_scopes_by_scope ON role_scopes (tenant, client_id, scope);

CREATE TABLE application_roles (
  tenant TEXT NOT NULL,
  client_id TEXT NOT NULL,
  role_id TEXT NOT NULL,
  PRIMARY KEY (tenant, client_id, role_id),
  FOREIGN KEY (tenant, client_id) REFERENCES applications (tenant, client_id) ON DELETE CASCADE,
  FOREIGN KEY (tenant, role_id) REFERENCES roles (tenant, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX application_roles_by_role ON application_roles (tenant, role_id);

-- Directory users. `body` is the SCIM user as it is shown, without id, password, status, active, lockedUntil and meta.
CREATE TABLE directory_users (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  email_key TEXT NOT NULL,
  user_name_key TEXT,
  status TEXT NOT NULL,
  active INTEGER NOT NULL,
  locked_until INTEGER,
  body TEXT NOT NULL,
  password_hash TEXT,
  password_changed_at INTEGER,
  original_id TEXT,
  last_login_at INTEGER,
  created_at INTEGER NOT NULL,
  modified_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, id)
) STRICT;
CREATE UNIQUE INDEX directory_users_email ON directory_users (tenant, email_key);
CREATE UNIQUE INDEX directory_users_user_name ON directory_users (tenant, user_name_key);
CREATE INDEX directory_users_by_time ON directory_users (tenant, created_at, id);

-- Profiles of everyone: `kind` is 'known', 'future' (prepared before the first sign-in) or 'anonymous'. `body` holds picture,
-- gender, locale, preferred_username and whatever else an import carried; `attributes` the custom attributes.
CREATE TABLE profiles (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT,
  email TEXT,
  email_key TEXT,
  body TEXT NOT NULL,
  attributes TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  modified_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX profiles_by_time ON profiles (tenant, created_at, id);
CREATE INDEX profiles_by_email ON profiles (tenant, email_key);

-- `body` is the whole identity object as it came, provider and id included. `subject` is the provider's identifier.
CREATE TABLE identities (
  tenant TEXT NOT NULL,
  provider TEXT NOT NULL,
  subject TEXT NOT NULL,
  profile_id TEXT NOT NULL,
  position INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (tenant, provider, subject),
  FOREIGN KEY (tenant, profile_id) REFERENCES profiles (tenant, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX identities_by_profile ON identities (tenant, profile_id, position);
CREATE INDEX identities_by_subject ON identities (tenant, subject);

CREATE TABLE user_roles (
  tenant TEXT NOT NULL,
  profile_id TEXT NOT NULL,
  role_id TEXT NOT NULL,
  PRIMARY KEY (tenant, profile_id, role_id),
  FOREIGN KEY (tenant, profile_id) REFERENCES profiles (tenant, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant, role_id) REFERENCES roles (tenant, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX user_roles_by_role ON user_roles (tenant, role_id);

-- Runtime state. A grant is one sign-in of one profile at one application: its code and every token descended from it.
CREATE TABLE grants (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  profile_id TEXT NOT NULL,
  body TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER,
  PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX grants_by_profile ON grants (tenant, profile_id);
CREATE INDEX grants_by_expiry ON grants (expires_at);

CREATE TABLE auth_codes (
  tenant TEXT NOT NULL,
  code_hash TEXT NOT NULL,
  grant_id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  body TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  redeemed_at INTEGER,
  PRIMARY KEY (tenant, code_hash)
) STRICT;
CREATE INDEX auth_codes_by_expiry ON auth_codes (expires_at);

CREATE TABLE refresh_tokens (
  tenant TEXT NOT NULL,
  token_hash TEXT NOT NULL,
  grant_id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  profile_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  rotated_at INTEGER,
  PRIMARY KEY (tenant, token_hash),
  FOREIGN KEY (tenant, grant_id) REFERENCES grants (tenant, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX refresh_tokens_by_grant ON refresh_tokens (tenant, grant_id);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);

-- Signed tokens that are refused before they expire. `kind` is 'token' (subject: jti), 'grant' (grant id) or 'profile'
-- (profile id: all tokens issued before `issued_before`).
CREATE TABLE revocations (
  tenant TEXT NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  issued_before INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, kind, subject)
) STRICT;
CREATE INDEX revocations_by_expiry ON revocations (expires_at);
