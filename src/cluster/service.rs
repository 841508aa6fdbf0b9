// SPDX-License-Identifier: Apache-2.0
//! Where services have their addresses.

use ipnet::IpNet;
use serde::Deserialize;

use super::Client;
use super::error::{ApiError, ApiErrorKind as Kind};
use super::meta::or_default;
use super::request::Request;

/// Objects since Kubernetes 1.33, made by the server from `--service-cluster-ip-range` and by administrators.
const RANGES: [&str; 4] = ["apis", "networking.k8s.io", "v1", "servicecidrs"];
const SERVICES: [&str; 3] = ["api", "v1", "services"];

#[derive(Debug, Deserialize)]
struct RangeWire {
    #[serde(default)]
    spec: RangeSpec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RangeSpec {
    #[serde(deserialize_with = "or_default")]
    cidrs: Vec<IpNet>,
}

#[derive(Debug, Deserialize)]
struct ServiceWire {
    #[serde(default)]
    spec: ServiceSpec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ServiceSpec {
    /// "None" for headless services; absent for external names.
    #[serde(rename = "clusterIPs", deserialize_with = "or_default")]
    cluster_ips: Vec<String>,
}

impl From<RangeWire> for Vec<IpNet> {
    fn from(RangeWire { spec }: RangeWire) -> Self {
        spec.cidrs
    }
}

impl From<ServiceWire> for Vec<IpNet> {
    fn from(ServiceWire { spec }: ServiceWire) -> Self {
        let address = |text: &String| text.parse().ok().map(|address: std::net::IpAddr| address.into());
        spec.cluster_ips.iter().filter_map(address).collect()
    }
}

impl Client {
    /// Lists the ranges of services; none where the server has no such objects.
    ///
    /// # Errors
    /// As any request.
    pub async fn service_ranges(&self) -> Result<Option<Vec<IpNet>>, ApiError> {
        match self.list::<RangeWire, Vec<IpNet>>(|| Request::get(&RANGES)).await {
            Err(ApiError { kind: Kind::Status { status: 404, .. }, .. }) => Ok(None),
            ranges => ranges.map(|ranges| Some(ranges.concat())),
        }
    }

    /// Lists the addresses of all services, each as a range of one.
    ///
    /// # Errors
    /// As any request.
    pub async fn service_addresses(&self) -> Result<Vec<IpNet>, ApiError> {
        self.list::<ServiceWire, Vec<IpNet>>(|| Request::get(&SERVICES)).await.map(|all| all.concat())
    }
}
