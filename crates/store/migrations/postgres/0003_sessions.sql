-- Browsers that stay signed in. `id_hash` is the SHA-256 of what the browser's cookie says; `sid` names the session to applications.
-- `body` holds how the person signed in, at `auth_at`.
CREATE TABLE sessions (
  tenant TEXT COLLATE "C" NOT NULL,
  id_hash TEXT COLLATE "C" NOT NULL,
  sid TEXT COLLATE "C" NOT NULL,
  profile_id TEXT COLLATE "C" NOT NULL,
  body TEXT COLLATE "C" NOT NULL,
  auth_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (tenant, id_hash),
  FOREIGN KEY (tenant, profile_id) REFERENCES profiles (tenant, id) ON DELETE CASCADE
);
CREATE INDEX sessions_by_profile ON sessions (tenant, profile_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
