// SPDX-License-Identifier: Apache-2.0
//! The certificate request: sent, read and awaited with the bootstrap token, which is used for nothing else.

use std::time::Duration;

use super::super::credential::{is_own_request, request_name};
use super::super::identity::Identity;
use super::super::next::KEY;
use super::super::observed::Request;
use super::super::outcome::Outcome;
use super::super::pki::{self, Key};
use super::super::reason::{Fault, Reason};
use super::fault::reason;
use super::{Hands, PEM_MAX_BYTES};
use crate::cluster::{ApiErrorKind as Kind, Backoff, Csr, CsrState, KUBELET_CLIENT_SIGNER, NewCsr};
use crate::host::clock;

/// What the signer grants a kubelet; "key encipherment" is for RSA keys.
const USAGES: [&str; 2] = ["digital signature", "client auth"];
/// A look at a request whose watch broke is not repeated faster or slower than this.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

impl Hands<'_> {
    pub(super) async fn send_request(&mut self, identity: &Identity) -> Result<Outcome, Reason> {
        let (key_pem, key) = self.key()?;
        let request =
            pki::request(&key_pem, &identity.name).map_err(|misfit| broken_key(&misfit.to_string()))?;
        let csr = NewCsr {
            name: request_name(&key.public_pem(), &identity.name),
            request,
            signer_name: KUBELET_CLIENT_SIGNER.to_owned(),
            usages: USAGES.map(str::to_owned).into(),
            expiration_s: None,
        };
        match self.bootstrap()?.csr_create(&csr).await {
            Ok(csr) => self.judged(csr, identity, &key_pem),
            Err(error) if matches!(error.kind, Kind::AlreadyExists { .. }) => {
                Ok(Outcome::Request(Request::Exists))
            }
            Err(error) => Err(reason(error)),
        }
    }

    /// Reads a request of our name: an earlier run's as a rule. It is gone on with only if it is for our key.
    pub(super) async fn read_request(&mut self, identity: &Identity) -> Result<Outcome, Reason> {
        let (key_pem, key) = self.key()?;
        let name = request_name(&key.public_pem(), &identity.name);
        let csr = match self.bootstrap()?.csr_get(&name).await {
            Ok(csr) => csr,
            Err(error) if matches!(error.kind, Kind::NotFound { .. }) => {
                return Ok(Outcome::Request(Request::Unsent));
            }
            Err(error) => return Err(reason(error)),
        };
        let is_own = is_own_request(&csr.request, &key.public_pem(), &identity.name)
            && csr.signer_name == KUBELET_CLIENT_SIGNER;
        if is_own { self.judged(csr, identity, &key_pem) } else { Err(Reason::ForeignRequest(name)) }
    }

    pub(super) async fn await_request(
        &mut self,
        identity: &Identity,
        limit: Duration,
    ) -> Result<Outcome, Reason> {
        let (key_pem, _) = self.key()?;
        let Some(csr) = self.csr.clone() else { return Ok(Outcome::Request(Request::Exists)) };
        let backoff = Backoff::new(PAUSES.0, PAUSES.1, self.seed);
        let state = self.bootstrap()?.csr_await(&csr, limit, backoff).await.map_err(reason)?;
        match self.judged(Csr { state, ..csr.clone() }, identity, &key_pem)? {
            Outcome::Request(Request::Pending) => Err(Reason::Pending(csr.meta.name)),
            outcome => Ok(outcome),
        }
    }

    fn judged(&mut self, csr: Csr, identity: &Identity, key_pem: &str) -> Result<Outcome, Reason> {
        let name = csr.meta.name.clone();
        let request = match &csr.state {
            CsrState::Pending => Request::Pending,
            CsrState::Gone => Request::Unsent,
            CsrState::Denied(why) => return Err(Reason::Denied { name, why: why.clone() }),
            CsrState::Failed(why) => return Err(Reason::SignerFailed { name, why: why.clone() }),
            CsrState::Issued(pem) => {
                let authorities = &self.settings.api.ca;
                match pki::judge(pem, key_pem, authorities, &identity.name, clock::now_s()) {
                    Ok(_) => Request::Issued(pem.clone()),
                    Err(misfit) if misfit.is_of_time() => {
                        return Err(Fault::Clock(misfit.to_string()).into());
                    }
                    Err(misfit) => return Err(Reason::Unusable { name, why: misfit.to_string() }),
                }
            }
        };
        self.csr = Some(csr);
        Ok(Outcome::Request(request))
    }

    fn key(&self) -> Result<(String, Key), Reason> {
        let text = self.root.text(KEY, PEM_MAX_BYTES).map_err(|error| broken_key(&error.to_string()))?;
        let text = text.ok_or_else(|| broken_key("it is gone"))?;
        let key = Key::parse(&text).map_err(|misfit| broken_key(&misfit.to_string()))?;
        Ok((text, key))
    }
}

fn broken_key(why: &str) -> Reason {
    Reason::Broken { path: KEY.to_owned(), why: why.to_owned() }
}
