-- Long work on an instance, with what is counted of it. `feed` says where an import's records come from: 'request' (a body that is
-- being sent) or 'parts' (a file in job_parts); 'none' for exports. Whoever works on a job holds it by `node` and `epoch` until
-- `lease_until`; a checkpoint of an older epoch changes nothing. `ready` is 1 while a worker may take it. `wish` is 'pause' or
-- 'cancel' until the next checkpoint. `sealed` holds its encryption secret until it ends.
CREATE TABLE jobs (
  tenant TEXT COLLATE "C" NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  state TEXT COLLATE "C" NOT NULL,
  feed TEXT COLLATE "C" NOT NULL,
  ready BIGINT NOT NULL,
  wish TEXT COLLATE "C",
  options TEXT COLLATE "C" NOT NULL,
  sealed BYTEA,
  total BIGINT,
  done BIGINT NOT NULL,
  added BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  skipped BIGINT NOT NULL,
  failed BIGINT NOT NULL,
  without_password BIGINT NOT NULL,
  bytes BIGINT NOT NULL,
  progress TEXT COLLATE "C" NOT NULL,
  error TEXT COLLATE "C",
  warnings TEXT COLLATE "C" NOT NULL,
  digest TEXT COLLATE "C",
  created_by TEXT COLLATE "C" NOT NULL,
  node TEXT COLLATE "C",
  epoch BIGINT NOT NULL,
  lease_until BIGINT NOT NULL,
  busy_ms BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  started_at BIGINT,
  ended_at BIGINT,
  expires_at BIGINT,
  PRIMARY KEY (tenant, id)
);
CREATE INDEX jobs_by_time ON jobs (tenant, created_at, id);
CREATE INDEX jobs_by_lease ON jobs (ready, lease_until);
CREATE INDEX jobs_by_expiry ON jobs (expires_at);

-- What a job has to tell of single records: `body` holds NDJSON lines of one checkpoint, `position` the number of its first record.
-- `kind` is 'report' or 'map' (old and new ids).
CREATE TABLE job_lines (
  tenant TEXT COLLATE "C" NOT NULL,
  job_id TEXT COLLATE "C" NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  position BIGINT NOT NULL,
  body TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant, job_id, kind, position),
  FOREIGN KEY (tenant, job_id) REFERENCES jobs (tenant, id) ON DELETE CASCADE
);

-- The file of a job in order: what an import reads ('in') or an export made ('out').
CREATE TABLE job_parts (
  tenant TEXT COLLATE "C" NOT NULL,
  job_id TEXT COLLATE "C" NOT NULL,
  direction TEXT COLLATE "C" NOT NULL,
  number BIGINT NOT NULL,
  body BYTEA NOT NULL,
  PRIMARY KEY (tenant, job_id, direction, number),
  FOREIGN KEY (tenant, job_id) REFERENCES jobs (tenant, id) ON DELETE CASCADE
);
