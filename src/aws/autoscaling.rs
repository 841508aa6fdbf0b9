// SPDX-License-Identifier: Apache-2.0
//! Auto scaling groups, as far as a control plane needs them: which instances a group has, and that one of them is no healthy
//! node.

use super::Metadata;
use super::caller::Caller;
use super::error::AwsError;
use super::query;
use super::xml::Element;

/// The version of the service's API.
const VERSION: &str = "2011-01-01";

/// The service in one region, as the instance's role.
#[derive(Debug)]
pub struct AutoScaling {
    caller: Caller,
}

/// An instance of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// `i-...`
    pub id: String,
    /// Whether the group counts on it: it is in service and called healthy.
    pub counts: bool,
}

impl AutoScaling {
    /// Returns the service at `endpoint` (`https://HOST`); `ca` (PEM) is trusted beside the public roots.
    ///
    /// # Errors
    /// When there can be no HTTP client.
    pub fn new(endpoint: &str, region: &str, ca: Option<&str>, metadata: Metadata) -> Result<Self, AwsError> {
        Ok(Self { caller: Caller::new("autoscaling", (endpoint, region), ca, metadata)? })
    }

    /// Returns the instances of a group; none where there is no such group.
    ///
    /// # Errors
    /// As the service says.
    pub async fn members(&self, group: &str) -> Result<Vec<Member>, AwsError> {
        let answer =
            self.call("DescribeAutoScalingGroups", &[("AutoScalingGroupNames.member.1", group)]).await?;
        let result = answer.find("DescribeAutoScalingGroupsResult");
        let found = result.and_then(|result| result.items("AutoScalingGroups").first());
        Ok(found.map_or(&[][..], |group| group.items("Instances")).iter().filter_map(member).collect())
    }

    /// Says that an instance is not healthy: the group replaces it, unless it is in its grace period.
    ///
    /// # Errors
    /// As the service says.
    pub async fn set_unhealthy(&self, id: &str) -> Result<(), AwsError> {
        let parameters =
            [("InstanceId", id), ("HealthStatus", "Unhealthy"), ("ShouldRespectGracePeriod", "true")];
        self.call("SetInstanceHealth", &parameters).await.map(drop)
    }

    async fn call(&self, action: &str, parameters: &[(&str, &str)]) -> Result<Element, AwsError> {
        let form = query::form(action, VERSION, parameters);
        self.caller.call(action, &query::request(&form), query::read).await
    }
}

fn member(item: &Element) -> Option<Member> {
    let is = |key: &str, word: &str| item.text_of(key) == Some(word);
    let counts = is("LifecycleState", "InService") && is("HealthStatus", "Healthy");
    Some(Member { id: item.text_of("InstanceId")?.to_owned(), counts })
}
