-- Long work on an instance, with what is counted of it. `feed` says where an import's records come from: 'request' (a body that is
-- being sent) or 'parts' (a file in job_parts); 'none' for exports. Whoever works on a job holds it by `node` and `epoch` until
-- `lease_until`; a checkpoint of an older epoch changes nothing. `ready` is 1 while a worker may take it. `wish` is 'pause' or
-- 'cancel' until the next checkpoint. `sealed` holds its encryption secret until it ends.
CREATE TABLE jobs (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  feed TEXT NOT NULL,
  ready INTEGER NOT NULL,
  wish TEXT,
  options TEXT NOT NULL,
  sealed BLOB,
  total INTEGER,
  done INTEGER NOT NULL,
  added INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  skipped INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  without_password INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  progress TEXT NOT NULL,
  error TEXT,
  warnings TEXT NOT NULL,
  digest TEXT,
  created_by TEXT NOT NULL,
  node TEXT,
  epoch INTEGER NOT NULL,
  lease_until INTEGER NOT NULL,
  busy_ms INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  started_at INTEGER,
  ended_at INTEGER,
  expires_at INTEGER,
  PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX jobs_by_time ON jobs (tenant, created_at, id);
CREATE INDEX jobs_by_lease ON jobs (ready, lease_until);
CREATE INDEX jobs_by_expiry ON jobs (expires_at);

-- What a job has to tell of single records: `body` holds NDJSON lines of one checkpoint, `position` the number of its first record.
-- `kind` is 'report' or 'map' (old and new ids).
CREATE TABLE job_lines (
  tenant TEXT NOT NULL,
  job_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  position INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (tenant, job_id, kind, position),
  FOREIGN KEY (tenant, job_id) REFERENCES jobs (tenant, id) ON DELETE CASCADE
) STRICT;

-- The file of a job in order: what an import reads ('in') or an export made ('out').
CREATE TABLE job_parts (
  tenant TEXT NOT NULL,
  job_id TEXT NOT NULL,
  direction TEXT NOT NULL,
  number INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (tenant, job_id, direction, number),
  FOREIGN KEY (tenant, job_id) REFERENCES jobs (tenant, id) ON DELETE CASCADE
) STRICT;
