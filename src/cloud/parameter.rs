// SPDX-License-Identifier: Apache-2.0
//! Parameters of Systems Manager that name images. Their data type lets the service check that the image exists.

use std::collections::BTreeMap;

use aws_sdk_ssm::types::ParameterType;

use super::access::Region;
use super::error::CloudError;
use super::retry::About;

/// Parameters of Systems Manager whose value is the id of an image.
const DATA_TYPE: &str = "aws:ec2:image";
/// GetParameters takes so many names.
const NAMES_MAX: usize = 10;

impl Region {
    /// Returns the values of those of `names` that are there.
    ///
    /// # Errors
    /// The calls'; one for ten names.
    pub async fn parameters(&self, names: &[String]) -> Result<BTreeMap<String, String>, CloudError> {
        let mut found = BTreeMap::new();
        for some in names.chunks(NAMES_MAX) {
            let request = || self.ssm.get_parameters().set_names(Some(some.to_vec())).send();
            let answer = self.call("ssm:GetParameters", About::Known, request).await?;
            let pairs = answer.parameters().iter();
            found.extend(pairs.filter_map(|it| Some((it.name()?.to_owned(), it.value()?.to_owned()))));
        }
        Ok(found)
    }

    /// Lets a parameter name an image. The service checks the image afterwards: the value counts once it reads back.
    ///
    /// # Errors
    /// The call's.
    pub async fn point(&self, name: &str, image: &str) -> Result<(), CloudError> {
        let request = || {
            self.ssm
                .put_parameter()
                .name(name)
                .value(image)
                .r#type(ParameterType::String)
                .data_type(DATA_TYPE)
                .overwrite(true)
                .send()
        };
        self.call("ssm:PutParameter", About::Known, request).await.map(drop)
    }

    /// Deletes a parameter; one that is not there is deleted already.
    ///
    /// # Errors
    /// The call's.
    pub async fn delete_parameter(&self, name: &str) -> Result<(), CloudError> {
        let request = || self.ssm.delete_parameter().name(name).send();
        match self.call("ssm:DeleteParameter", About::Known, request).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }
}
