// SPDX-License-Identifier: Apache-2.0
//! What a pod's own HTTP server says, by way of the API server, which must reach the pod (Kubernetes API, `pods/proxy`).

use serde_json::Value;

use super::Client;
use super::error::ApiError;
use super::object::Object;
use super::request::Request;

impl Client {
    /// Asks `GET /file?key=value` of a pod's port; the answer is JSON.
    ///
    /// # Errors
    /// As any request, and with 503 where the API server does not reach the pod.
    pub async fn pod_get(
        &self,
        (namespace, pod, port): (&str, &str, u16),
        file: &str,
        query: &[(&'static str, &str)],
    ) -> Result<Value, ApiError> {
        let pod = format!("{pod}:{port}");
        let mut request = Request::get(&["api", "v1", "namespaces", namespace, "pods", &pod, "proxy", file]);
        for (key, value) in query {
            request = request.query(key, value);
        }
        Ok(self.read::<Value, Object>(request).await?.0)
    }
}
