//! Passwords set by an administrator or on a user's behalf.

use vestibule_model::{directory::DirectoryUser, id::DirectoryUserId};
use zeroize::Zeroizing;

use super::{find, revoke_user};
use crate::{Engine, Result, access::Writer};

impl Engine {
    /// Sets a user's password without asking for the old one, and ends every session and token of the user.
    pub async fn change_password(
        &self,
        writer: &Writer,
        id: DirectoryUserId,
        password: String,
    ) -> Result<DirectoryUser> {
        let password = Zeroizing::new(password);
        let user = self.get_directory_user(writer, id).await?;
        let hash = self.hash_new_password(password, &user.card).await?;
        let now = self.now();
        let tenant = writer.tenant();
        let user = self
            .store()
            .write(tenant, move |t| {
                t.touch(now)?;
                t.update_password(id, Some(hash.as_str()), now)?;
                revoke_user(t, id, now)?;
                Ok::<_, crate::Error>(find(t, id)?.user)
            })
            .await?;
        self.tenants().forget(tenant);
        Ok(user)
    }
}
