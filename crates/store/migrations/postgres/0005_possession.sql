-- Proofs of possession that were shown, until their time has run out: each works once, at whichever node. `proof_hash` is the SHA-256 of
-- key and `jti`.
CREATE TABLE dpop_proofs (
  tenant TEXT COLLATE "C" NOT NULL,
  proof_hash TEXT COLLATE "C" NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (tenant, proof_hash)
);
CREATE INDEX dpop_proofs_by_expiry ON dpop_proofs (expires_at);

-- Authorization requests that applications pushed, by the SHA-256 of the URI they got for it. `sealed` holds the parameters.
CREATE TABLE pushed_requests (
  tenant TEXT COLLATE "C" NOT NULL,
  uri_hash TEXT COLLATE "C" NOT NULL,
  client_id TEXT COLLATE "C" NOT NULL,
  sealed BYTEA NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (tenant, uri_hash),
  FOREIGN KEY (tenant, client_id) REFERENCES applications (tenant, client_id) ON DELETE CASCADE
);
CREATE INDEX pushed_requests_by_client ON pushed_requests (tenant, client_id);
CREATE INDEX pushed_requests_by_expiry ON pushed_requests (expires_at);
