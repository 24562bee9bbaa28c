//! What jobs tell of single records, and their files: both in parts, so that neither is ever in memory as a whole.

use vestibule_model::id::JobId;

use super::number;
use crate::{Result, Value, scope::Tenant};

/// What single records of a job have to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobLines {
    /// Records that were not simply added.
    Report,
    /// Old and new ids.
    Map,
}

/// Which way a file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobFile {
    /// What an import reads.
    In,
    /// What an export made.
    Out,
}

impl JobLines {
    const fn name(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Map => "map",
        }
    }
}

impl JobFile {
    const fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

impl Tenant<'_, '_> {
    /// Adds lines (NDJSON, each ended by a line feed) of the records from number `position` on.
    pub fn insert_job_lines(
        &mut self,
        job: JobId,
        lines: JobLines,
        position: u64,
        body: &str,
    ) -> Result<()> {
        self.conn.execute(
            "INSERT INTO job_lines (tenant, job_id, kind, position, body) VALUES ($1, $2, $3, $4, $5)",
            &[
                Value::from(self.key()),
                Value::from(job.to_string()),
                Value::from(lines.name()),
                Value::from(number(position)?),
                Value::from(body),
            ],
        )?;
        Ok(())
    }

    /// The first lines behind those of position `after` (-1 for all), with their position.
    pub fn find_job_lines(
        &mut self,
        job: JobId,
        lines: JobLines,
        after: i64,
    ) -> Result<Option<(i64, String)>> {
        let row = self.conn.query_opt(
            "SELECT position, body FROM job_lines WHERE tenant = $1 AND job_id = $2 AND kind = $3 AND position > $4 \
             ORDER BY position LIMIT 1",
            &[
                Value::from(self.key()),
                Value::from(job.to_string()),
                Value::from(lines.name()),
                Value::from(after),
            ],
        )?;
        row.map(|row| Ok((row.int(0)?, row.text(1)?))).transpose()
    }

    /// Adds a part of a job's file. `Conflict` when it is there.
    pub fn insert_job_part(
        &mut self,
        job: JobId,
        file: JobFile,
        part: u64,
        body: Vec<u8>,
    ) -> Result<()> {
        self.conn.execute(
            "INSERT INTO job_parts (tenant, job_id, direction, number, body) VALUES ($1, $2, $3, $4, $5)",
            &[
                Value::from(self.key()),
                Value::from(job.to_string()),
                Value::from(file.name()),
                Value::from(number(part)?),
                Value::from(body),
            ],
        )?;
        Ok(())
    }

    /// A part of a job's file.
    pub fn find_job_part(
        &mut self,
        job: JobId,
        file: JobFile,
        part: u64,
    ) -> Result<Option<Vec<u8>>> {
        let row = self.conn.query_opt(
            "SELECT body FROM job_parts WHERE tenant = $1 AND job_id = $2 AND direction = $3 AND number = $4",
            &[
                Value::from(self.key()),
                Value::from(job.to_string()),
                Value::from(file.name()),
                Value::from(number(part)?),
            ],
        )?;
        row.map(|row| row.blob(0)).transpose()
    }

    /// Removes some parts of a job's file from number `from` on; how many. Called until it answers 0.
    pub fn delete_some_job_parts(&mut self, job: JobId, file: JobFile, from: u64) -> Result<u64> {
        self.conn.execute(
            "DELETE FROM job_parts WHERE tenant = $1 AND job_id = $2 AND direction = $3 AND number IN \
             (SELECT number FROM job_parts WHERE tenant = $1 AND job_id = $2 AND direction = $3 AND number >= $4 LIMIT 32)",
            &[
                Value::from(self.key()),
                Value::from(job.to_string()),
                Value::from(file.name()),
                Value::from(number(from)?),
            ],
        )
    }
}
