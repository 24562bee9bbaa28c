//! Devices that wait for somebody to let them in elsewhere (RFC 8628).

use vestibule_model::{id::ClientId, time::Timestamp};

use crate::{Error, Result, Row, Value, scope::Tenant};

/// How far a request of a device has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceState {
    /// Nobody has answered.
    Pending,
    /// Somebody has let the device in.
    Allowed,
    /// Somebody does not want it.
    Denied,
}

impl DeviceState {
    const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Allowed => "allowed",
            Self::Denied => "denied",
        }
    }

    fn from_name(name: &str) -> Result<Self> {
        match name {
            "pending" => Ok(Self::Pending),
            "allowed" => Ok(Self::Allowed),
            "denied" => Ok(Self::Denied),
            _ => Err(Error::corrupt("state of a device")),
        }
    }
}

/// A request of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRequest {
    /// The application on the device.
    pub client: ClientId,
    /// How far it has come.
    pub state: DeviceState,
    /// What was asked for: JSON.
    pub body: String,
    /// Who let it in: JSON.
    pub answer: Option<String>,
    /// When its codes stop working.
    pub good_until: Timestamp,
}

impl Tenant<'_, '_> {
    /// Adds a request by the hashes of the code of the device and of the person's. False when another has this person's code.
    pub fn insert_device_request(
        &mut self,
        (device, user): (&str, &str),
        request: &DeviceRequest,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<bool> {
        let n = self.conn.execute(
            "INSERT INTO device_requests \
             (tenant, device_hash, user_hash, client_id, state, body, good_until, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (tenant, user_hash) DO NOTHING",
            &[
                Value::from(self.key()),
                Value::from(device),
                Value::from(user),
                Value::from(request.client.to_string()),
                Value::from(request.state.name()),
                Value::from(&request.body),
                Value::from(request.good_until.millis()),
                Value::from(now.millis()),
                Value::from(expires_at.millis()),
            ],
        )?;
        Ok(n == 1)
    }

    /// A request by the hash of the device's code, whatever its state and age.
    pub fn find_device_request(&mut self, device: &str) -> Result<Option<DeviceRequest>> {
        self.conn
            .query_opt(
                "SELECT client_id, state, body, answer, good_until FROM device_requests \
                 WHERE tenant = $1 AND device_hash = $2",
                &[Value::from(self.key()), Value::from(device)],
            )?
            .map(|row| request(&row))
            .transpose()
    }

    /// A request that nobody has answered yet, by the hash of the person's code.
    pub fn find_pending_device(
        &mut self,
        user: &str,
        now: Timestamp,
    ) -> Result<Option<DeviceRequest>> {
        self.conn
            .query_opt(
                "SELECT client_id, state, body, answer, good_until FROM device_requests \
                 WHERE tenant = $1 AND user_hash = $2 AND state = 'pending' AND good_until > $3",
                &[
                    Value::from(self.key()),
                    Value::from(user),
                    Value::from(now.millis()),
                ],
            )?
            .map(|row| request(&row))
            .transpose()
    }

    /// Notes what a person answered: who lets the device in, or nobody. False when the request has run out or was answered before.
    pub fn answer_device_request(
        &mut self,
        user: &str,
        answer: Option<&str>,
        now: Timestamp,
    ) -> Result<bool> {
        let state = match answer {
            Some(_) => DeviceState::Allowed,
            None => DeviceState::Denied,
        };
        let n = self.conn.execute(
            "UPDATE device_requests SET state = $3, answer = $4 \
             WHERE tenant = $1 AND user_hash = $2 AND state = 'pending' AND good_until > $5",
            &[
                Value::from(self.key()),
                Value::from(user),
                Value::from(state.name()),
                Value::from(answer),
                Value::from(now.millis()),
            ],
        )?;
        Ok(n == 1)
    }

    /// Uses up a request that was allowed. Of two who show its code at the same moment, one gets it.
    pub fn redeem_device_request(
        &mut self,
        device: &str,
        now: Timestamp,
    ) -> Result<Option<DeviceRequest>> {
        self.conn
            .query_opt(
                "DELETE FROM device_requests \
                 WHERE tenant = $1 AND device_hash = $2 AND state = 'allowed' AND good_until > $3 \
                 RETURNING client_id, state, body, answer, good_until",
                &[
                    Value::from(self.key()),
                    Value::from(device),
                    Value::from(now.millis()),
                ],
            )?
            .map(|row| request(&row))
            .transpose()
    }
}

fn request(row: &Row) -> Result<DeviceRequest> {
    Ok(DeviceRequest {
        client: ClientId::parse(row.str(0)?).map_err(|_| Error::corrupt("client id"))?,
        state: DeviceState::from_name(row.str(1)?)?,
        body: row.text(2)?,
        answer: row.opt_text(3)?,
        good_until: Timestamp::from_millis(row.int(4)?),
    })
}
