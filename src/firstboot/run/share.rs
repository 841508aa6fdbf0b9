// SPDX-License-Identifier: Apache-2.0
//! Flow: a control plane shares its CA, its operator's certificate and a live token by parameters. Run now and then; where all
//! is as it should be, it only reads.

use std::collections::BTreeMap;
use std::time::Instant;

use super::super::apply::fault::reason;
use super::super::apply_plane::{self, Admins};
use super::super::control::place;
use super::super::outcome::Outcome;
use super::super::pki::Key;
use super::super::reason::Reason;
use super::super::share::{self, Authority, Names};
use super::super::step::Step;
use super::{Diary, Ending, READY_LIMIT, Run, RunError};
use crate::aws::{AutoScaling, AwsError, Parameter, Ssm, Storage};
use crate::host::{clock, entropy};
use crate::token::{TTL_S, Token};

/// Keys and certificates have some kilobytes.
const PEM_MAX_BYTES: u64 = 1 << 20;

type Shared = BTreeMap<String, Parameter>;

impl Run<'_> {
    /// Writes what is missing or old; nothing where the settings share nothing.
    ///
    /// # Errors
    /// When this machine fails: its disk, its kernel.
    pub async fn share(
        &self,
        diary: &mut Diary,
        ssm: Option<&Ssm>,
        scaling: Option<&AutoScaling>,
    ) -> Result<Ending, RunError> {
        let (seen, _) = self.look()?;
        let names = share::names(&self.settings.cloud);
        if names.all().is_empty() && self.settings.cloud.group.is_none() {
            return Ok(diary.end(self.root, None, seen, Default::default()));
        }
        let admins = match apply_plane::admins(self.root, self.settings)? {
            Ok(admins) => admins,
            Err(reason) => return Ok(diary.end(self.root, Some(reason), seen, Default::default())),
        };
        let seed = seen.machine.chance as u64;
        let mut ended = self.ready(diary, &admins, seed, READY_LIMIT).await?;
        // Whoever hears of a cluster is to find it whole.
        if ended.is_ok() {
            ended = admins.is_open().await;
        }
        if ended.is_ok() {
            ended = self.shared(diary, &admins, &names, ssm).await?;
        }
        let mut warnings = Vec::new();
        if ended.is_ok() {
            match self.tend(diary, &admins, scaling).await? {
                Ok(odd) => warnings.extend(odd),
                Err(reason) => ended = Err(reason),
            }
        }
        let ending = diary.end(self.root, ended.err(), seen, admins.counts());
        Ok(Ending { warnings, ..ending })
    }

    async fn shared(
        &self,
        diary: &mut Diary,
        admins: &Admins,
        names: &Names,
        ssm: Option<&Ssm>,
    ) -> Result<Result<(), Reason>, RunError> {
        if names.all().is_empty() {
            return Ok(Ok(()));
        }
        let Some(ssm) = ssm else {
            let why = "this machine is no instance (cloud.platform)".to_owned();
            return Ok(Err(Reason::Parameters { what: "can't share", why }));
        };
        let found = match ssm.parameters(&names.all()).await {
            Ok(found) => found,
            Err(error) => return Ok(Err(failed("can't read what is shared")(error))),
        };
        if let Err(reason) = self.share_public(diary, names, &found, ssm).await? {
            return Ok(Err(reason));
        }
        self.share_token(diary, admins, names, &found, ssm).await
    }

    /// CA first: whoever finds a certificate finds what it is of.
    async fn share_public(
        &self,
        diary: &mut Diary,
        names: &Names,
        found: &Shared,
        ssm: &Ssm,
    ) -> Result<Result<(), Reason>, RunError> {
        let trusted = self.pem(&place::certificate(place::CLUSTER_CA))?;
        if let Some(name) = names.ca.as_deref().filter(|name| value(found, name) != Some(trusted.trim())) {
            let written = ssm.put(name, trusted.trim(), Storage::Plain).await;
            if let Err(reason) = self.told(diary, "the cluster's CA certificates", written)? {
                return Ok(Err(reason));
            }
        }
        let (Some(name), Some(request)) = (&names.operator, &self.settings.cloud.operator) else {
            return Ok(Ok(()));
        };
        match self.signed(request, value(found, name), &trusted)? {
            Ok(None) => Ok(Ok(())),
            Ok(Some(made)) => {
                let written = ssm.put(name, made.trim(), Storage::Plain).await;
                self.told(diary, "the operator's certificate", written)
            }
            Err(reason) => Ok(Err(reason)),
        }
    }

    /// Signs with the pair that signs for the cluster, as certificates of nodes are signed.
    fn signed(
        &self,
        request: &str,
        shared: Option<&str>,
        trusted: &str,
    ) -> Result<Result<Option<String>, Reason>, RunError> {
        let wrong = |path: &str, why: String| Reason::Broken { path: path.to_owned(), why };
        for base in [place::SIGNING, place::CLUSTER_CA] {
            let (path, certificate) = (place::key(base), self.pem(&place::certificate(base))?);
            let key = self.pem(&path)?;
            if key.is_empty() || certificate.is_empty() {
                continue;
            }
            let key = match Key::parse(&key) {
                Ok(key) => key,
                Err(misfit) => return Ok(Err(wrong(&path, misfit.to_string()))),
            };
            let authority = Authority { trusted, certificate: &certificate, key: &key };
            let made = share::operator(request, shared, &authority, clock::now_s());
            return Ok(made.map_err(|misfit| wrong("cloud.operator", misfit.to_string())));
        }
        Ok(Err(wrong(&place::key(place::CLUSTER_CA), "it is not here, and nobody else signs".to_owned())))
    }

    async fn share_token(
        &self,
        diary: &mut Diary,
        admins: &Admins,
        names: &Names,
        found: &Shared,
        ssm: &Ssm,
    ) -> Result<Result<(), Reason>, RunError> {
        let Some(name) = &names.token else { return Ok(Ok(())) };
        let client = &admins.clients.admin;
        let ends = match client.tokens().await {
            Ok(tokens) => tokens.into_iter().map(|token| (token.id, token.expiration)).collect(),
            Err(error) => return Ok(Err(reason(error))),
        };
        if share::is_live(value(found, name), &ends, clock::now_s()) {
            return Ok(Ok(()));
        }
        let token = Token::of_chance(entropy::bytes()?);
        let new = token.created(clock::now_s(), TTL_S, &format!("kept in {name}")).expect("an hour from now");
        if let Err(error) = client.token_create(&new).await {
            return Ok(Err(reason(error)));
        }
        let written = ssm.put(name, &token.reveal(), Storage::Secure).await;
        if written.is_err() {
            // Nobody will join with it; where this fails, too, it ends within the hour.
            let _ = client.token_delete(&token.id).await;
        }
        self.told(diary, "a bootstrap token", written)
    }

    fn told(
        &self,
        diary: &mut Diary,
        what: &'static str,
        written: Result<(), AwsError>,
    ) -> Result<Result<(), Reason>, RunError> {
        let answer = written.map_err(failed("can't share"));
        let outcome = answer.clone().map_or_else(Outcome::Trouble, |()| Outcome::Changed);
        diary.tried(self.root, &Step::Share(what), Instant::now(), &Ok(outcome))?;
        Ok(answer)
    }

    /// Returns a file's text, which is empty where there is none.
    fn pem(&self, path: &str) -> Result<String, RunError> {
        Ok(self.root.text(path, PEM_MAX_BYTES)?.unwrap_or_default())
    }
}

pub(super) fn failed(what: &'static str) -> impl Fn(AwsError) -> Reason {
    move |error| Reason::Parameters { what, why: error.to_string() }
}

fn value<'a>(found: &'a Shared, name: &str) -> Option<&'a str> {
    found.get(name).map(|Parameter(text)| text.trim())
}
