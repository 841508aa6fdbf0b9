// SPDX-License-Identifier: Apache-2.0
//! `kiln token create|list|revoke`.

use kiln::cluster::{self, Client};
use kiln::exit::Exit;
use kiln::host::clock;
use kiln::token::{TTL_S, Token, has_expired, parse_id};
use serde_json::json;

use crate::cli::{self, Format};
use crate::failure::Failure;
use crate::out::say;
use crate::show::print_json;
use crate::surroundings::Surroundings;

/// `kiln token ...`
pub fn token(words: &cli::Token, here: &Surroundings) -> Result<Exit, Failure> {
    let format = here.format;
    match words {
        cli::Token::Create { cluster, ttl, long_lived, description } => {
            let ttl_s = allowed(*ttl, *long_lived)?;
            cluster.with_client(here, async |client| create(&client, ttl_s, description, format).await)
        }
        cli::Token::List { cluster } => cluster.with_client(here, async |client| list(&client, format).await),
        cli::Token::Revoke { id, cluster } => {
            let id = parse_id(id).map_err(|error| Failure::with(Exit::Usage, error))?;
            cluster.with_client(here, async |client| {
                Ok(client.patiently(async || client.token_delete(&id).await).await?)
            })?;
            Ok(Exit::Done)
        }
    }
}

fn allowed(ttl_s: u64, is_long_meant: bool) -> Result<u64, Failure> {
    if ttl_s > TTL_S && !is_long_meant {
        let reason = "a token lives for an hour at most, since who holds it can become a node of any name; \
                      add --long-lived if longer is meant";
        return Err(Failure::with(Exit::Usage, reason));
    }
    Ok(ttl_s)
}

async fn create(client: &Client, ttl_s: u64, description: &str, format: Format) -> Result<Exit, Failure> {
    let mut chance = [0; 24];
    getrandom::fill(&mut chance).map_err(std::io::Error::from)?;
    let token = Token::of_chance(chance);
    let usage = |error| Failure::with(Exit::Usage, error);
    let new = token.created(clock::now_s(), ttl_s, description).map_err(usage)?;
    let made = client.patiently(async || client.token_create(&new).await).await?;
    match format {
        Format::Json => print_json(&json!({"token": token.reveal(), "expiration": made.expiration}))?,
        Format::Text => say!("{}", token.reveal()),
    }
    Ok(Exit::Done)
}

async fn list(client: &Client, format: Format) -> Result<Exit, Failure> {
    let tokens = client.patiently(async || client.tokens().await).await?;
    match format {
        Format::Json => print_json(&tokens.iter().map(described).collect::<Vec<_>>())?,
        Format::Text => tokens.iter().for_each(print),
    }
    Ok(Exit::Done)
}

fn described(token: &cluster::Token) -> serde_json::Value {
    let cluster::Token { id, meta: _, expiration, groups, authenticates, description } = token;
    let is_good = *authenticates && !has_expired(expiration.as_deref(), clock::now_s());
    json!({
        "id": id,
        "expiration": expiration,
        "good": is_good,
        "groups": groups,
        "description": description,
    })
}

fn print(token: &cluster::Token) {
    let end = token.expiration.as_deref();
    let state = match has_expired(end, clock::now_s()) {
        true => "has ended",
        false if !token.authenticates => "not for joining",
        false => "good",
    };
    let (end, groups) = (end.unwrap_or("never ends"), token.groups.join(","));
    say!("{}  {end:<20}  {state:<15}  {groups}  {}", token.id, token.description);
}
