-- What clients say of themselves (`metadata`, JSON), how they came to be (`management`, `registration` or `mobile`), and the SHA-256 of
-- the token with which one that registered itself manages its registration.
ALTER TABLE applications ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';
ALTER TABLE applications ADD COLUMN origin TEXT NOT NULL DEFAULT 'management';
ALTER TABLE applications ADD COLUMN registration_hash TEXT;

-- Tokens with which clients may register themselves, by their SHA-256.
CREATE TABLE initial_access_tokens (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  token_hash TEXT NOT NULL,
  uses_left INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, id)
) STRICT;
CREATE UNIQUE INDEX initial_access_tokens_by_hash ON initial_access_tokens (tenant, token_hash);
CREATE INDEX initial_access_tokens_by_expiry ON initial_access_tokens (expires_at);

-- Assertions that were used, until they have run out: each works once, at whichever node. `id_hash` is the SHA-256 of client and `jti`.
CREATE TABLE used_assertions (
  tenant TEXT NOT NULL,
  id_hash TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, id_hash)
) STRICT;
CREATE INDEX used_assertions_by_expiry ON used_assertions (expires_at);

-- What people agreed to: the scopes, separated by spaces, that a client may have of them.
CREATE TABLE consents (
  tenant TEXT NOT NULL,
  profile_id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  scopes TEXT NOT NULL,
  granted_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, profile_id, client_id),
  FOREIGN KEY (tenant, profile_id) REFERENCES profiles (tenant, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant, client_id) REFERENCES applications (tenant, client_id) ON DELETE CASCADE
) STRICT;
CREATE INDEX consents_by_client ON consents (tenant, client_id);

-- At which clients a session was used: they hear of its end.
CREATE TABLE session_clients (
  tenant TEXT NOT NULL,
  id_hash TEXT NOT NULL,
  client_id TEXT NOT NULL,
  PRIMARY KEY (tenant, id_hash, client_id),
  FOREIGN KEY (tenant, id_hash) REFERENCES sessions (tenant, id_hash) ON DELETE CASCADE,
  FOREIGN KEY (tenant, client_id) REFERENCES applications (tenant, client_id) ON DELETE CASCADE
) STRICT;
CREATE INDEX session_clients_by_client ON session_clients (tenant, client_id);
