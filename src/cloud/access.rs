// SPDX-License-Identifier: Apache-2.0
//! Access: the SDK's configuration, loaded once by its own chain, and one set of clients for each region.
//!
//! TLS is ring's with the system's roots, since a second library would have to be compiled for one user. Regions and
//! endpoints may be overridden as everywhere (`AWS_ENDPOINT_URL`, `AWS_PROFILE`, ...).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use tokio::time::Instant;

use super::pace::Pace;
use crate::cluster::Proxy;
use crate::progress::Teller;

/// How long things may take. Every wait has a limit; the SDK itself has none (coldsnap issue 437).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Until a connection stands.
    pub connect: Duration,
    /// Until the first byte of an answer.
    pub read: Duration,
    /// One attempt, from the first byte sent to the last received.
    pub attempt: Duration,
    /// All attempts of a call.
    pub operation: Duration,
    /// Until what was just made is known everywhere: a fresh snapshot may not exist for two minutes (coldsnap issue 43).
    pub fresh: Duration,
    /// Until a snapshot or an image is ready to use.
    pub ready: Duration,
    /// Between two looks at something that is awaited.
    pub poll: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(12),
            attempt: Duration::from_secs(20),
            operation: Duration::from_secs(120),
            fresh: Duration::from_secs(150),
            ready: Duration::from_secs(1800),
            poll: Duration::from_secs(2),
        }
    }
}

/// Why AWS can't even be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// `HTTPS_PROXY`.
    #[error("the proxy's address is not http://HOST:PORT (HTTPS_PROXY)")]
    Proxy,
    /// `AWS_ENDPOINT_URL` or one of its kin.
    #[error("the endpoint '{url}' is not https://HOST or http://HOST ({variable})")]
    Endpoint {
        /// The variable.
        variable: &'static str,
        /// What it says.
        url: String,
    },
}

/// An account at AWS, as the SDK's chain finds it.
#[derive(Debug, Clone)]
pub struct Cloud {
    config: SdkConfig,
    limits: Limits,
    teller: Teller,
}

impl Cloud {
    /// Loads configuration as the SDK's chain does. Credentials are asked for with the first call. A `region` that is known
    /// spares asking for one, in the end an instance's metadata service.
    ///
    /// # Errors
    /// When the proxy's address can't be used.
    pub async fn open(
        region: Option<&str>,
        limits: Limits,
        proxy: Option<&Proxy>,
    ) -> Result<Self, SettingError> {
        let loader = aws_config::defaults(BehaviorVersion::latest());
        let named = region.map(|name| aws_config::Region::new(name.to_owned()));
        match named {
            Some(region) => Self::load(loader.region(region), limits, proxy).await,
            None => Self::load(loader, limits, proxy).await,
        }
    }

    /// As [`Cloud::open`], where something of the chain is given already.
    ///
    /// # Errors
    /// As [`Cloud::open`].
    pub async fn load(
        loader: ConfigLoader,
        limits: Limits,
        proxy: Option<&Proxy>,
    ) -> Result<Self, SettingError> {
        let http = http_client(proxy)?;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(limits.connect)
            .read_timeout(limits.read)
            .operation_attempt_timeout(limits.attempt)
            .build();
        let config = loader
            .http_client(http)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::disabled())
            // The limits above bound a stream as well; two judges of one wait would only differ.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .load()
            .await;
        Ok(Self { config, limits, teller: Teller::default() })
    }

    /// Returns the same; `teller` hears why a call takes long.
    #[must_use]
    pub fn telling(self, teller: Teller) -> Self {
        Self { teller, ..self }
    }

    /// Returns the region that the chain names, if it names one.
    pub fn home(&self) -> Option<&str> {
        self.config.region().map(AsRef::as_ref)
    }

    /// Returns the clients of a region.
    pub fn region(&self, name: &str) -> Region {
        let config = self.config.to_builder().region(aws_config::Region::new(name.to_owned())).build();
        Region {
            name: name.into(),
            autoscaling: aws_sdk_autoscaling::Client::new(&config),
            ec2: aws_sdk_ec2::Client::new(&config),
            ebs: aws_sdk_ebs::Client::new(&config),
            ssm: aws_sdk_ssm::Client::new(&config),
            limits: self.limits,
            teller: self.teller.clone(),
            told: Arc::default(),
            pace: Arc::new(Mutex::new(Pace::default())),
            opened: Instant::now(),
        }
    }
}

/// The variables that name an endpoint of a service kiln calls (AWS SDKs and Tools Reference, "Service-specific endpoints").
pub const ENDPOINTS: [&str; 5] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_AUTO_SCALING",
    "AWS_ENDPOINT_URL_EBS",
    "AWS_ENDPOINT_URL_EC2",
    "AWS_ENDPOINT_URL_SSM",
];

/// Looks at what one of [`ENDPOINTS`] says: the SDK would try what is no address for as long as a call may take.
///
/// # Errors
/// If it is not the address of an HTTP server.
pub fn check_endpoint(variable: &'static str, url: &str) -> Result<(), SettingError> {
    let is_one = |url: reqwest::Url| ["http", "https"].contains(&url.scheme()) && url.has_host();
    match reqwest::Url::parse(url).is_ok_and(is_one) {
        true => Ok(()),
        false => Err(SettingError::Endpoint { variable, url: url.to_owned() }),
    }
}

/// Returns the client of all services. Plain HTTP (an instance's metadata service, a double) needs no proxy.
fn http_client(proxy: Option<&Proxy>) -> Result<SharedHttpClient, SettingError> {
    let tls = Provider::Rustls(CryptoMode::Ring);
    let Some(proxy) = proxy else { return Ok(Builder::new().tls_provider(tls).build_https()) };
    // Its address may hold a password.
    let wrong = |_| SettingError::Proxy;
    let config = ProxyConfig::https(proxy.address.as_str()).map_err(wrong)?;
    let config = config.no_proxy(proxy.except.as_deref().unwrap_or_default());
    Ok(Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder().tls_provider(tls.clone()).proxy_config(config.clone());
        builder.set_connector_settings(settings.cloned());
        builder.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        builder.build()
    }))
}

/// One region of an account.
#[derive(Debug, Clone)]
pub struct Region {
    pub(super) name: Arc<str>,
    pub(super) autoscaling: aws_sdk_autoscaling::Client,
    pub(super) ec2: aws_sdk_ec2::Client,
    pub(super) ebs: aws_sdk_ebs::Client,
    pub(super) ssm: aws_sdk_ssm::Client,
    pub(super) limits: Limits,
    pub(super) teller: Teller,
    /// When it was told last why a call takes long: calls come by the thousand.
    pub(super) told: Arc<Mutex<Option<Instant>>>,
    /// How fast blocks are sent there.
    pub(super) pace: Arc<Mutex<Pace>>,
    /// The pace's times count from here.
    pub(super) opened: Instant,
}

impl Region {
    /// Returns its name: `eu-central-1`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the limits of its calls.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}
