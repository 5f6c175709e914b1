//! What every request has to pass, and what every answer carries.
//!
//! The server listens on the loopback address only, but a browser on this machine may be shown foreign pages. These must
//! neither read the catalogue (by a name of theirs that resolves to 127.0.0.1) nor write to it (by a form or a script).

use axum::extract::Request;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::problem::Problem;

const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; img-src 'self' https: http: data:; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // Not no-referrer: with that, some browsers send no origin either.
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

pub async fn guard(request: Request, next: Next) -> Response {
    let mut response = match check(request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    for (name, value) in HEADERS {
        // A picture brings its own.
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

fn check(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let host = only(headers, header::HOST).filter(|host| is_loopback(host)).ok_or_else(|| {
        Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "This page is only served under the names localhost and 127.0.0.1.",
        )
    })?;
    if method == Method::GET || method == Method::HEAD {
        return Ok(());
    }
    // Every browser says where a request that writes comes from. A program that is no browser need not.
    let foreign = headers.contains_key(header::ORIGIN)
        && !only(headers, header::ORIGIN).is_some_and(|origin| is_own_origin(origin, host));
    let cross_site = headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin");
    if foreign || cross_site {
        return Err(Problem::new(StatusCode::FORBIDDEN, "Only the catalogue's own page may change it."));
    }
    // Another site's form cannot send this type, and its script would have to ask first.
    if !only(headers, header::CONTENT_TYPE).is_some_and(is_json) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "What is sent has to be JSON, with the content type application/json.",
        ));
    }
    Ok(())
}

fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// Any port: the page may be reached through a tunnel.
fn is_loopback(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some(("::1", after)) => ("localhost", after),
            _ => return false,
        },
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port_fits = port.is_empty()
        || port.strip_prefix(':').is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()) && p.len() <= 5);
    port_fits && (name == "127.0.0.1" || name.eq_ignore_ascii_case("localhost"))
}

fn is_own_origin(origin: &str, host: &str) -> bool {
    origin.strip_prefix("http://").is_some_and(|origin| origin.eq_ignore_ascii_case(host))
}

fn is_json(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: Method, headers: &[(&'static str, &'static str)]) -> Option<u16> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        check(&method, &map).err().map(|problem| problem.status().as_u16())
    }

    #[test]
    fn loopback_names() {
        for host in ["127.0.0.1", "127.0.0.1:8080", "localhost", "LocalHost:1", "127.0.0.1:", "[::1]", "[::1]:8080"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            ":80",
            "evil.example",
            "evil.example:80",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "evil.example#127.0.0.1",
            "user@localhost",
            "localhost:80:80",
            "localhost:x",
            "[::1",
            "[::2]",
            "[::1]x",
            "0.0.0.0",
            "127.0.0.2",
            "2130706433",
            "localhost:123456",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn the_host_is_checked_for_every_method() {
        for method in [Method::GET, Method::POST, Method::OPTIONS] {
            assert_eq!(status(method.clone(), &[]), Some(421));
            assert_eq!(status(method.clone(), &[("host", "evil.example")]), Some(421));
            assert_eq!(status(method, &[("host", "localhost"), ("host", "localhost")]), Some(421));
        }
        assert_eq!(status(Method::GET, &[("host", "localhost:80"), ("origin", "http://evil.example")]), None);
    }

    #[test]
    fn only_the_page_itself_may_write() {
        let host = ("host", "127.0.0.1:8080");
        let json = ("content-type", "application/json; charset=utf-8");
        let own = ("origin", "http://127.0.0.1:8080");
        assert_eq!(status(Method::POST, &[host, json, own]), None);
        assert_eq!(status(Method::POST, &[host, json, own, ("sec-fetch-site", "same-origin")]), None);
        assert_eq!(status(Method::POST, &[host, json]), None);
        for origin in
            ["http://evil.example", "https://127.0.0.1:8080", "http://127.0.0.1", "http://localhost:8080", "null"]
        {
            assert_eq!(status(Method::POST, &[host, json, ("origin", origin)]), Some(403), "{origin}");
        }
        assert_eq!(status(Method::POST, &[host, json, own, own]), Some(403));
        assert_eq!(status(Method::POST, &[host, json, ("sec-fetch-site", "cross-site")]), Some(403));
    }

    #[test]
    fn only_json_is_taken() {
        let host = ("host", "localhost");
        assert_eq!(status(Method::POST, &[host]), Some(415));
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
            assert_eq!(status(Method::POST, &[host, ("content-type", kind)]), Some(415), "{kind}");
        }
        assert_eq!(status(Method::POST, &[host, ("content-type", "Application/JSON")]), None);
    }
}
