// SPDX-License-Identifier: Apache-2.0
//! Settings of an account in a region that bear on what is published there.

use super::access::Region;
use super::error::CloudError;
use super::retry::About;

/// Whether images may be made public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicAccess {
    /// They may.
    Allowed,
    /// The account blocks new public images in this region (block public access for AMIs, on by default).
    Blocked,
}

impl Region {
    /// Returns whether new snapshots are encrypted without being told to.
    ///
    /// # Errors
    /// The call's.
    pub async fn encrypts_by_default(&self) -> Result<bool, CloudError> {
        let request = || self.ec2.get_ebs_encryption_by_default().send();
        let answer = self.call("ec2:GetEbsEncryptionByDefault", About::Known, request).await?;
        Ok(answer.ebs_encryption_by_default() == Some(true))
    }

    /// Returns whether images may be made public.
    ///
    /// # Errors
    /// The call's.
    pub async fn public_access(&self) -> Result<PublicAccess, CloudError> {
        let request = || self.ec2.get_image_block_public_access_state().send();
        let answer = self.call("ec2:GetImageBlockPublicAccessState", About::Known, request).await?;
        match answer.image_block_public_access_state() {
            Some("block-new-sharing") => Ok(PublicAccess::Blocked),
            _ => Ok(PublicAccess::Allowed),
        }
    }
}
