//! Who may ask. On the loopback interface anybody on this machine, and no web page that a browser
//! on this machine shows: a page can make a browser send requests here, by its own name for our
//! address (DNS rebinding) or across origins. On any other address, whoever holds the token.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{AUTHORIZATION, HOST, HeaderMap, ORIGIN};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use gristmill_model::access::Actor;
use gristmill_model::problem::{Code, Rejection};

use super::Api;
use super::problem::Refusal;
use crate::token::TokenHash;

/// The only route that needs no token: it tells nothing but that the server is well.
const OPEN: &str = "/healthz";

/// Who may ask.
pub(super) struct Guard {
    /// Where the server listens.
    pub(super) bound: SocketAddr,
    /// What opens it; nothing on the loopback interface.
    pub(super) token: Option<TokenHash>,
}

/// Whoever asks, as found before the handler was called.
pub(super) struct Caller(pub(super) Actor);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Caller, Refusal> {
        let actor = parts.extensions.get::<Actor>().cloned();
        actor.map(Caller).ok_or_else(|| Refusal::new(Code::Unauthorized, "nobody is known to ask"))
    }
}

/// Stands before every handler.
pub(super) async fn check(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    match api.guard.admit(request.uri().path(), request.uri().authority(), request.headers()) {
        Ok(actor) => {
            request.extensions_mut().insert(actor);
            next.run(request).await
        }
        Err(rejection) => Refusal::from(rejection).into_response(),
    }
}

impl Guard {
    fn admit(
        &self,
        path: &str,
        authority: Option<&Authority>,
        headers: &HeaderMap,
    ) -> Result<Actor, Rejection> {
        let host = match authority {
            Some(authority) => Some(authority.as_str()),
            None => headers.get(HOST).and_then(|host| host.to_str().ok()),
        };
        same_origin(host, headers)?;
        match &self.token {
            None => self.local(host),
            Some(_) if path == OPEN => Ok(Actor::LOCAL),
            Some(token) => bearer(token, headers),
        }
    }

    /// A request that came in over the loopback interface must also have been meant for it.
    fn local(&self, host: Option<&str>) -> Result<Actor, Rejection> {
        let name = host.and_then(|host| host.parse::<Authority>().ok());
        let name = name.as_ref().map(Authority::host).unwrap_or_default();
        let address = name.trim_matches(['[', ']']).parse::<IpAddr>();
        let is_ours = address.is_ok_and(|ip| ip.is_loopback() || ip == self.bound.ip());
        if is_ours || name.eq_ignore_ascii_case("localhost") {
            return Ok(Actor::LOCAL);
        }
        let detail = format!(
            "the request is for `{}`, not for this machine: ask http://{}",
            host.unwrap_or_default(),
            self.bound
        );
        Err(Rejection::new(Code::Forbidden, detail))
    }
}

/// Browsers say which site a request comes from; other programs say nothing.
fn same_origin(host: Option<&str>, headers: &HeaderMap) -> Result<(), Rejection> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let from = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    if from.is_some_and(|(_, from)| host.is_some_and(|host| host.eq_ignore_ascii_case(from))) {
        return Ok(());
    }
    let detail = format!("a page of {} may not ask this server", origin.to_str().unwrap_or("?"));
    Err(Rejection::new(Code::Forbidden, detail))
}

fn bearer(token: &TokenHash, headers: &HeaderMap) -> Result<Actor, Rejection> {
    let Some(given) = headers.get(AUTHORIZATION) else {
        return Err(Rejection::new(Code::Unauthorized, "the request carries no token"));
    };
    let given = given.to_str().unwrap_or_default();
    match given.split_once(' ') {
        Some((scheme, given)) if scheme.eq_ignore_ascii_case("bearer") => {
            if token.admits(given.trim()) {
                return Ok(Actor::TOKEN);
            }
            Err(Rejection::new(Code::Unauthorized, "the token is not this server's"))
        }
        _ => Err(Rejection::new(Code::Unauthorized, "expected `Authorization: Bearer gm_…`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(bound: &str, headers: &[(&'static str, &str)]) -> Result<Actor, Code> {
        let guard = Guard { bound: bound.parse().unwrap(), token: None };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        guard.admit("/v1/jobs", None, &map).map_err(|rejection| rejection.code)
    }

    #[test]
    fn names_of_this_machine_are_taken_and_others_are_not() {
        for host in ["localhost:7077", "127.0.0.1:7077", "127.9.9.9", "[::1]:7077", "LOCALHOST"] {
            assert_eq!(ask("127.0.0.1:7077", &[("host", host)]), Ok(Actor::LOCAL), "{host}");
        }
        for host in ["evil.example:7077", "127.0.0.1.evil.example", "10.0.0.1", "", "@"] {
            assert_eq!(ask("127.0.0.1:7077", &[("host", host)]), Err(Code::Forbidden), "{host}");
        }
        assert_eq!(ask("127.0.0.1:7077", &[]), Err(Code::Forbidden));
    }

    #[test]
    fn a_page_of_another_site_is_refused_and_our_own_is_not() {
        let host = ("host", "localhost:7077");
        let from = |origin| ask("127.0.0.1:7077", &[host, ("origin", origin)]);
        assert_eq!(from("http://localhost:7077"), Ok(Actor::LOCAL));
        for origin in ["http://evil.example", "null", "http://localhost:8080", "https://localhost"]
        {
            assert_eq!(from(origin), Err(Code::Forbidden), "{origin}");
        }
    }
}
