-- Times are integer milliseconds since the Unix epoch, passed in by the caller. JSON is opaque TEXT; what is searched has a
-- column of its own. `*_key` columns hold folded (lower-cased) text. The tenant column leads every key of an instance's tables.
-- Text is ordered by its bytes (`COLLATE "C"`), as on SQLite, whatever order the server has: paging and search by prefix rely on it.

-- Platform plane ---------------------------------------------------------------------------------------------------------
CREATE TABLE accounts (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  name TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL
);

-- Keys that sign platform (IAM) tokens. `sealed` is opened only by the crypto crate.
CREATE TABLE platform_keys (
  kid TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  algorithm TEXT COLLATE "C" NOT NULL,
  sealed BYTEA NOT NULL,
  created_at BIGINT NOT NULL,
  retired_at BIGINT
);

-- Everyone who may hold an API key: people (`kind` = 'user') and service IDs (`kind` = 'service').
CREATE TABLE iam_subjects (
  iam_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  id TEXT COLLATE "C" NOT NULL UNIQUE,
  account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
  kind TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  description TEXT COLLATE "C" NOT NULL,
  email TEXT COLLATE "C",
  locked BIGINT NOT NULL,
  resource_key TEXT COLLATE "C",
  version BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  modified_at BIGINT NOT NULL
);
CREATE INDEX iam_subjects_by_kind ON iam_subjects (account_id, kind, created_at, id);

CREATE TABLE api_keys (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
  iam_id TEXT COLLATE "C" NOT NULL REFERENCES iam_subjects (iam_id) ON DELETE CASCADE,
  name TEXT COLLATE "C" NOT NULL,
  description TEXT COLLATE "C" NOT NULL,
  token_hash TEXT COLLATE "C" NOT NULL UNIQUE,
  locked BIGINT NOT NULL,
  disabled BIGINT NOT NULL,
  version BIGINT NOT NULL,
  created_by TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  modified_at BIGINT NOT NULL,
  expires_at BIGINT,
  last_used_at BIGINT
);
CREATE INDEX api_keys_by_subject ON api_keys (account_id, iam_id, created_at, id);

-- Refresh tokens of the platform token service (the console renews with them).
CREATE TABLE platform_refresh_tokens (
  token_hash TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  iam_id TEXT COLLATE "C" NOT NULL REFERENCES iam_subjects (iam_id) ON DELETE CASCADE,
  api_key_id TEXT COLLATE "C" NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX platform_refresh_tokens_by_expiry ON platform_refresh_tokens (expires_at);

-- `body` holds the policy as the API shows it (roles, resources, description, pattern, rule); the columns are what is looked up.
CREATE TABLE policies (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
  iam_id TEXT COLLATE "C" NOT NULL,
  type TEXT COLLATE "C" NOT NULL,
  state TEXT COLLATE "C" NOT NULL,
  body TEXT COLLATE "C" NOT NULL,
  version BIGINT NOT NULL,
  created_by TEXT COLLATE "C" NOT NULL,
  modified_by TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  modified_at BIGINT NOT NULL
);
CREATE INDEX policies_by_subject ON policies (account_id, iam_id, created_at, id);

-- `config_version` rises with each change of an instance's configuration, applications, roles or keys, in the transaction of
-- that change; `changed_at` lets other nodes find what changed.
CREATE TABLE instances (
  guid TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
  name TEXT COLLATE "C" NOT NULL,
  region TEXT COLLATE "C" NOT NULL,
  resource_group_id TEXT COLLATE "C" NOT NULL,
  resource_plan_id TEXT COLLATE "C" NOT NULL,
  state TEXT COLLATE "C" NOT NULL,
  locked BIGINT NOT NULL,
  parameters TEXT COLLATE "C" NOT NULL,
  tags TEXT COLLATE "C" NOT NULL,
  last_operation TEXT COLLATE "C" NOT NULL,
  created_by TEXT COLLATE "C" NOT NULL,
  updated_by TEXT COLLATE "C" NOT NULL,
  deleted_by TEXT COLLATE "C",
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  deleted_at BIGINT,
  config_version BIGINT NOT NULL,
  changed_at BIGINT NOT NULL
);
CREATE INDEX instances_by_account ON instances (account_id, created_at, guid);
CREATE INDEX instances_by_name ON instances (account_id, name);
CREATE INDEX instances_by_change ON instances (changed_at);

CREATE TABLE resource_keys (
  guid TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
  instance TEXT COLLATE "C" NOT NULL REFERENCES instances (guid),
  name TEXT COLLATE "C" NOT NULL,
  role TEXT COLLATE "C" NOT NULL,
  parameters TEXT COLLATE "C" NOT NULL,
  iam_id TEXT COLLATE "C" NOT NULL,
  api_key_id TEXT COLLATE "C" NOT NULL,
  state TEXT COLLATE "C" NOT NULL,
  created_by TEXT COLLATE "C" NOT NULL,
  updated_by TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE INDEX resource_keys_by_instance ON resource_keys (instance, created_at, guid);
CREATE INDEX resource_keys_by_account ON resource_keys (account_id, created_at, guid);

CREATE TABLE reclamations (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
  instance TEXT COLLATE "C" NOT NULL UNIQUE REFERENCES instances (guid),
  state TEXT COLLATE "C" NOT NULL,
  target_time BIGINT NOT NULL,
  created_by TEXT COLLATE "C" NOT NULL,
  updated_by TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE INDEX reclamations_by_time ON reclamations (target_time);

-- What an instance holds ---------------------------------------------------------------------------------------------------
-- Configuration families: one sealed JSON document each, since several hold secrets.
CREATE TABLE config (
  tenant TEXT COLLATE "C" NOT NULL,
  family TEXT COLLATE "C" NOT NULL,
  sealed BYTEA NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (tenant, family)
);

CREATE TABLE signing_keys (
  tenant TEXT COLLATE "C" NOT NULL,
  kid TEXT COLLATE "C" NOT NULL,
  algorithm TEXT COLLATE "C" NOT NULL,
  sealed BYTEA NOT NULL,
  created_at BIGINT NOT NULL,
  retired_at BIGINT,
  PRIMARY KEY (tenant, kid)
);

CREATE TABLE applications (
  tenant TEXT COLLATE "C" NOT NULL,
  client_id TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  type TEXT COLLATE "C" NOT NULL,
  sealed_secret BYTEA,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (tenant, client_id)
);

CREATE TABLE application_scopes (
  tenant TEXT COLLATE "C" NOT NULL,
  client_id TEXT COLLATE "C" NOT NULL,
  scope TEXT COLLATE "C" NOT NULL,
  position BIGINT NOT NULL,
  PRIMARY KEY (tenant, client_id, scope),
  FOREIGN KEY (tenant, client_id) REFERENCES applications (tenant, client_id) ON DELETE CASCADE
);

CREATE TABLE roles (
  tenant TEXT COLLATE "C" NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  description TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (tenant, id),
  UNIQUE (tenant, name)
);

-- A scope that its application drops leaves every role that used it.
CREATE TABLE role_scopes (
  tenant TEXT COLLATE "C" NOT NULL,
  role_id TEXT COLLATE "C" NOT NULL,
  client_id TEXT COLLATE "C" NOT NULL,
  scope TEXT COLLATE "C" NOT NULL,
  position BIGINT NOT NULL,
  PRIMARY KEY (tenant, role_id, client_id, scope),
  FOREIGN KEY (tenant, role_id) REFERENCES roles (tenant, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant, client_id, scope) REFERENCES application_scopes (tenant, client_id, scope) ON DELETE CASCADE
);
CREATE INDEX role_scopes_by_scope ON role_scopes (tenant, client_id, scope);

CREATE TABLE application_roles (
  tenant TEXT COLLATE "C" NOT NULL,
  client_id TEXT COLLATE "C" NOT NULL,
  role_id TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant, client_id, role_id),
  FOREIGN KEY (tenant, client_id) REFERENCES applications (tenant, client_id) ON DELETE CASCADE,
  FOREIGN KEY (tenant, role_id) REFERENCES roles (tenant, id) ON DELETE CASCADE
);
CREATE INDEX application_roles_by_role ON application_roles (tenant, role_id);

-- Directory users. `body` is the SCIM user as it is shown, without id, password, status, active, lockedUntil and meta.
CREATE TABLE directory_users (
  tenant TEXT COLLATE "C" NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  email_key TEXT COLLATE "C" NOT NULL,
  user_name_key TEXT COLLATE "C",
  status TEXT COLLATE "C" NOT NULL,
  active BIGINT NOT NULL,
  locked_until BIGINT,
  body TEXT COLLATE "C" NOT NULL,
  password_hash TEXT COLLATE "C",
  password_changed_at BIGINT,
  original_id TEXT COLLATE "C",
  last_login_at BIGINT,
  created_at BIGINT NOT NULL,
  modified_at BIGINT NOT NULL,
  PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX directory_users_email ON directory_users (tenant, email_key);
CREATE UNIQUE INDEX directory_users_user_name ON directory_users (tenant, user_name_key);
CREATE INDEX directory_users_by_time ON directory_users (tenant, created_at, id);

-- Profiles of everyone: `kind` is 'known', 'future' (prepared before the first sign-in) or 'anonymous'. `body` holds picture,
-- gender, locale, preferred_username and whatever else an import carried; `attributes` the custom attributes.
CREATE TABLE profiles (
  tenant TEXT COLLATE "C" NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C",
  email TEXT COLLATE "C",
  email_key TEXT COLLATE "C",
  body TEXT COLLATE "C" NOT NULL,
  attributes TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  modified_at BIGINT NOT NULL,
  PRIMARY KEY (tenant, id)
);
CREATE INDEX profiles_by_time ON profiles (tenant, created_at, id);
CREATE INDEX profiles_by_email ON profiles (tenant, email_key);

-- `body` is the whole identity object as it came, provider and id included. `subject` is the provider's identifier.
CREATE TABLE identities (
  tenant TEXT COLLATE "C" NOT NULL,
  provider TEXT COLLATE "C" NOT NULL,
  subject TEXT COLLATE "C" NOT NULL,
  profile_id TEXT COLLATE "C" NOT NULL,
  position BIGINT NOT NULL,
  body TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant, provider, subject),
  FOREIGN KEY (tenant, profile_id) REFERENCES profiles (tenant, id) ON DELETE CASCADE
);
CREATE INDEX identities_by_profile ON identities (tenant, profile_id, position);
CREATE INDEX identities_by_subject ON identities (tenant, subject);

CREATE TABLE user_roles (
  tenant TEXT COLLATE "C" NOT NULL,
  profile_id TEXT COLLATE "C" NOT NULL,
  role_id TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant, profile_id, role_id),
  FOREIGN KEY (tenant, profile_id) REFERENCES profiles (tenant, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant, role_id) REFERENCES roles (tenant, id) ON DELETE CASCADE
);
CREATE INDEX user_roles_by_role ON user_roles (tenant, role_id);

-- Runtime state. A grant is one sign-in of one profile at one application: its code and every token descended from it.
CREATE TABLE grants (
  tenant TEXT COLLATE "C" NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  client_id TEXT COLLATE "C" NOT NULL,
  profile_id TEXT COLLATE "C" NOT NULL,
  body TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  revoked_at BIGINT,
  PRIMARY KEY (tenant, id)
);
CREATE INDEX grants_by_profile ON grants (tenant, profile_id);
CREATE INDEX grants_by_expiry ON grants (expires_at);

CREATE TABLE auth_codes (
  tenant TEXT COLLATE "C" NOT NULL,
  code_hash TEXT COLLATE "C" NOT NULL,
  grant_id TEXT COLLATE "C" NOT NULL,
  client_id TEXT COLLATE "C" NOT NULL,
  body TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  redeemed_at BIGINT,
  PRIMARY KEY (tenant, code_hash)
);
CREATE INDEX auth_codes_by_expiry ON auth_codes (expires_at);

CREATE TABLE refresh_tokens (
  tenant TEXT COLLATE "C" NOT NULL,
  token_hash TEXT COLLATE "C" NOT NULL,
  grant_id TEXT COLLATE "C" NOT NULL,
  client_id TEXT COLLATE "C" NOT NULL,
  profile_id TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  rotated_at BIGINT,
  PRIMARY KEY (tenant, token_hash),
  FOREIGN KEY (tenant, grant_id) REFERENCES grants (tenant, id) ON DELETE CASCADE
);
CREATE INDEX refresh_tokens_by_grant ON refresh_tokens (tenant, grant_id);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);

-- Signed tokens that are refused before they expire. `kind` is 'token' (subject: jti), 'grant' (grant id) or 'profile'
-- (profile id: all tokens issued before `issued_before`).
CREATE TABLE revocations (
  tenant TEXT COLLATE "C" NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  subject TEXT COLLATE "C" NOT NULL,
  issued_before BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (tenant, kind, subject)
);
CREATE INDEX revocations_by_expiry ON revocations (expires_at);
