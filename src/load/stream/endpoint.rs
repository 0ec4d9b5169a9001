//! Where chat completions are sent: address, path and headers, worked out once.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, USER_AGENT};
use hyper::http::uri::{InvalidUri, PathAndQuery};
use hyper::{Method, Request, Uri};

use crate::load::client::{UnfitKey, bearer};
use crate::runner::ports::Target;

const COMPLETIONS: &str = "/v1/chat/completions";

/// The target cannot be streamed from.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    #[error("`{url}` is no address")]
    NotAnAddress {
        url: String,
        #[source]
        source: InvalidUri,
    },
    #[error("`{url}` has no host")]
    NoHost { url: String },
    #[error(
        "`{url}` is not plain HTTP: this client measures engines on the machine or the network it \
         runs in, and encryption would be measured with them"
    )]
    NotPlain { url: String },
    #[error(transparent)]
    Key(#[from] UnfitKey),
}

/// Where the chat completions of one server are asked for.
#[derive(Debug, Clone)]
pub struct Endpoint {
    host: String,
    port: u16,
    path: PathAndQuery,
    headers: HeaderMap,
}

impl Endpoint {
    /// `base_url` is what comes before `/v1`; a path in it is kept.
    ///
    /// # Errors
    /// When the address is none, is not plain HTTP, or the key fits no header.
    pub fn of(target: &Target) -> Result<Self, EndpointError> {
        let url = target.base_url.as_str();
        let not_an_address = |source| EndpointError::NotAnAddress {
            url: url.to_owned(),
            source,
        };
        let uri: Uri = url.parse().map_err(not_an_address)?;
        if uri.scheme_str() != Some("http") {
            return Err(EndpointError::NotPlain {
                url: url.to_owned(),
            });
        }
        let no_host = || EndpointError::NoHost {
            url: url.to_owned(),
        };
        let authority = uri.authority().ok_or_else(no_host)?;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        if host.is_empty() {
            return Err(no_host());
        }
        let port = authority.port_u16().unwrap_or(80);
        let path = format!("{}{COMPLETIONS}", uri.path().trim_end_matches('/'));
        let path = path.parse().map_err(not_an_address)?;
        // The authority may hold a user's name and password, which no header may tell.
        let host_header = match authority.port_u16() {
            Some(port) => format!("{}:{port}", authority.host()),
            None => authority.host().to_owned(),
        };
        let mut headers = HeaderMap::new();
        let host_header = HeaderValue::from_str(&host_header).map_err(|_| no_host())?;
        headers.insert(HOST, host_header);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let agent = concat!("gridrun/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        if !target.api_key.is_empty() {
            headers.insert(AUTHORIZATION, bearer(&target.api_key)?);
        }
        Ok(Self {
            host,
            port,
            path,
            headers,
        })
    }

    pub(super) fn address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    pub(super) fn request(&self, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.path.clone().into();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(base_url: &str) -> Result<Endpoint, EndpointError> {
        Endpoint::of(&Target {
            base_url: base_url.to_owned(),
            model: "m".to_owned(),
            api_key: "k".to_owned(),
        })
    }

    #[test]
    fn address_path_and_host_follow_from_the_url() {
        for (url, host, port, path, header) in [
            (
                "http://127.0.0.1:81",
                "127.0.0.1",
                81,
                "/v1/chat/completions",
                "127.0.0.1:81",
            ),
            ("http://a.b/", "a.b", 80, "/v1/chat/completions", "a.b"),
            (
                "http://[::1]:9/x/",
                "::1",
                9,
                "/x/v1/chat/completions",
                "[::1]:9",
            ),
            ("http://me:pw@h:1", "h", 1, "/v1/chat/completions", "h:1"),
        ] {
            let endpoint = endpoint(url).unwrap();
            assert_eq!(endpoint.address(), (host, port), "{url}");
            let request = endpoint.request(Bytes::from_static(b"{}"));
            assert_eq!(request.uri().path(), path, "{url}");
            assert_eq!(request.headers()[HOST], header, "{url}");
            assert_eq!(request.headers()[AUTHORIZATION], "Bearer k");
        }
    }

    #[test]
    fn what_cannot_be_streamed_from_is_refused() {
        let refused = |url: &str| endpoint(url).unwrap_err().to_string();
        assert!(refused("https://h").contains("not plain HTTP"));
        assert!(refused("h:80").contains("not plain HTTP"));
        assert!(refused("http://").contains("no address"));
        assert!(refused("http://a b").contains("no address"));
    }
}
