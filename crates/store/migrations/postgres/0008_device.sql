-- What devices asked for (RFC 8628), by the SHA-256 of the code that the device shows to the token endpoint. `user_hash` is a keyed digest
-- of the short code that the person enters. `state` is `pending`, `allowed` or `denied`; `body` holds what was asked for, `answer` who allowed
-- it. The codes are good until `good_until`; the row stays a little longer, so that the device hears that they have run out.
CREATE TABLE device_requests (
  tenant TEXT COLLATE "C" NOT NULL,
  device_hash TEXT COLLATE "C" NOT NULL,
  user_hash TEXT COLLATE "C" NOT NULL,
  client_id TEXT COLLATE "C" NOT NULL,
  state TEXT COLLATE "C" NOT NULL,
  body TEXT COLLATE "C" NOT NULL,
  answer TEXT COLLATE "C",
  good_until BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (tenant, device_hash),
  FOREIGN KEY (tenant, client_id) REFERENCES applications (tenant, client_id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX device_requests_by_user_code ON device_requests (tenant, user_hash);
CREATE INDEX device_requests_by_client ON device_requests (tenant, client_id);
CREATE INDEX device_requests_by_expiry ON device_requests (expires_at);
