//! Sends requests with reqwest.
//!
//! What it does not do is what makes it fit for a gateway: no redirects, no
//! cookies, no proxy from the environment, no decompression, no way to turn
//! certificate checks off. It resolves a name once and connects only to the
//! addresses that passed the [`AddressPolicy`], so a name that answers
//! differently the second time gains nothing.

use integration_gateway::AddressPolicy;
use integration_gateway::Client;
use integration_gateway::OutgoingRequest;
use integration_gateway::SendFailure;
use integration_gateway::contract::Response;
use reqwest::dns::Addrs;
use reqwest::dns::Name;
use reqwest::dns::Resolve;
use reqwest::dns::Resolving;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderName;
use reqwest::header::HeaderValue;
use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// Long enough for a far continent on a bad day. A connection that takes longer
/// is known not to have carried the request, so the limit is worth having.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A [`Client`] over HTTP/1.1 and HTTP/2, with the operating system's trusted
/// certificates (or those in the file that `SSL_CERT_FILE` names).
#[derive(Clone)]
pub struct HttpClient {
    client: reqwest::Client,
    policy: Arc<AddressPolicy>,
}

impl HttpClient {
    /// A client that connects to what the policy allows. It fails if the system
    /// has no trusted certificates.
    pub fn new(policy: AddressPolicy) -> Result<Self, io::Error> {
        Self::resolving(policy, |name| {
            Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) })
        })
    }

    fn resolving(
        policy: AddressPolicy,
        lookup: impl Fn(String) -> Lookup + Send + Sync + 'static,
    ) -> Result<Self, io::Error> {
        // Another part of the program may have chosen before; that is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let policy = Arc::new(policy);
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .dns_resolver(Guard {
                policy: Arc::clone(&policy),
                lookup: Arc::new(lookup),
            })
            .build()
            .map_err(|e| io::Error::other(innermost(&e)))?;
        Ok(Self { client, policy })
    }
}

impl Client for HttpClient {
    async fn send(&self, request: OutgoingRequest) -> Result<Response, SendFailure> {
        // The resolver never sees an address that is written out.
        let host = request.url.host_str().unwrap_or_default();
        if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>()
            && let Err(why) = self.policy.check(address)
        {
            return Err(SendFailure::Refused(why));
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            let header = HeaderName::try_from(name)
                .ok()
                .zip(HeaderValue::try_from(value).ok());
            // The value may be a credential: only the name is told.
            let (name, value) = header.ok_or_else(|| {
                SendFailure::Refused(format!("header {name:?} is not valid in HTTP"))
            })?;
            headers.append(name, value);
        }
        let method = reqwest::Method::from_bytes(request.method.as_bytes())
            .map_err(|_| SendFailure::Refused(format!("no HTTP method: {:?}", request.method)))?;
        let response = self
            .client
            .request(method, request.url)
            .headers(headers)
            .body(request.body)
            .timeout(Duration::from_millis(request.timeout_ms.into()))
            .send()
            .await
            .map_err(failure)?;
        read(response, request.max_response_bytes).await
    }
}

async fn read(mut response: reqwest::Response, max_bytes: usize) -> Result<Response, SendFailure> {
    let too_large = || SendFailure::Unknown(format!("the answer is longer than {max_bytes} bytes"));
    if response
        .content_length()
        .is_some_and(|length| length > max_bytes as u64)
    {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failure)? {
        if body.len() + chunk.len() > max_bytes {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    let headers = response.headers().iter();
    Ok(Response {
        status: response.status().as_u16(),
        headers: headers
            .map(|(name, value)| {
                (
                    name.to_string(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect(),
        body,
    })
}

/// Sorts reqwest's errors by the one question that matters: may the far end
/// have carried the request out? When in doubt, yes.
fn failure(error: reqwest::Error) -> SendFailure {
    // The URL may hold a credential in its query.
    let error = error.without_url();
    if let Some(forbidden) = find::<Forbidden>(&error) {
        return SendFailure::Refused(forbidden.to_string());
    }
    if error.is_builder() {
        return SendFailure::Refused(innermost(&error));
    }
    if error.is_connect() {
        return SendFailure::Unreachable(format!("no connection: {}", innermost(&error)));
    }
    if error.is_timeout() {
        return SendFailure::Unknown("no complete answer in time".into());
    }
    SendFailure::Unknown(format!("the answer was cut: {}", innermost(&error)))
}

/// Looks for an error of ours among the causes.
fn find<E: Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// The cause of the cause: the outer ones say "error sending request".
fn innermost(error: &reqwest::Error) -> String {
    let mut error: &dyn Error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

type Lookup = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Resolves names, and hands on only the addresses that are allowed.
struct Guard {
    policy: Arc<AddressPolicy>,
    lookup: Arc<dyn Fn(String) -> Lookup + Send + Sync>,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = Arc::clone(&self.policy);
        let lookup = (self.lookup)(name.as_str().to_owned());
        Box::pin(async move {
            let (mut allowed, mut refusal) = (Vec::new(), None);
            for address in lookup.await? {
                match policy.check(address.ip()) {
                    Ok(()) => allowed.push(address),
                    Err(why) => refusal = Some(why),
                }
            }
            match refusal {
                Some(why) if allowed.is_empty() => {
                    Err(Forbidden(format!("{}: {why}", name.as_str())).into())
                }
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

/// Kept apart from other failures of a connection: waiting does not help.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Forbidden(String);

#[cfg(test)]
mod tests {
    use super::*;
    use integration_gateway::Network;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering;
    use tokio::io::AsyncReadExt;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    /// A far end that answers every connection with the given bytes, and
    /// counts them.
    async fn far_end(answer: &'static [u8]) -> (SocketAddr, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer).await;
            }
        });
        (address, count)
    }

    fn request(url: &str) -> OutgoingRequest {
        OutgoingRequest {
            method: "GET".into(),
            url: url.parse().unwrap(),
            headers: vec![("x-canary".into(), "canary".into())],
            body: vec![],
            timeout_ms: 500,
            max_response_bytes: 100,
        }
    }

    fn loopback() -> AddressPolicy {
        AddressPolicy::new(vec![Network::parse("127.0.0.0/8").unwrap()])
    }

    async fn get(url: &str) -> Result<Response, SendFailure> {
        HttpClient::new(loopback())
            .unwrap()
            .send(request(url))
            .await
    }

    #[tokio::test]
    async fn an_answer_is_read_whole() {
        let (address, _) =
            far_end(b"HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\nA: b\r\n\r\nnone").await;
        let response = get(&format!("http://{address}/x")).await.unwrap();
        assert_eq!(response.status, 404);
        assert_eq!(response.body, b"none");
        assert!(response.headers.contains(&("a".into(), "b".into())));
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_not_followed() {
        let (trap, trapped) = far_end(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        let answer =
            format!("HTTP/1.1 302 Found\r\nlocation: http://{trap}/\r\ncontent-length: 0\r\n\r\n");
        let (address, _) = far_end(answer.leak().as_bytes()).await;
        assert_eq!(
            get(&format!("http://{address}/")).await.unwrap().status,
            302
        );
        assert_eq!(trapped.load(Ordering::SeqCst), 0);
    }

    /// Listens wherever this machine can be reached, and counts who comes.
    async fn trap() -> (u16, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // Where there is no IPv6, no address of that kind leads anywhere.
        let also = TcpListener::bind(("::1", port)).await.ok();
        let caught = Arc::new(AtomicUsize::new(0));
        for listener in [Some(listener), also].into_iter().flatten() {
            let caught = Arc::clone(&caught);
            tokio::spawn(async move {
                while let Ok((_stream, _)) = listener.accept().await {
                    caught.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        (port, caught)
    }

    /// Ways of writing this machine, of which `PORT` is the trap's port.
    const HERE: [&str; 40] = [
        "http://127.0.0.1:PORT",
        "https://127.0.0.1:PORT",
        "http://127.1:PORT",
        "http://127.0.1:PORT",
        "http://127.8.8.8:PORT",
        "http://2130706433:PORT",
        "http://0x7f000001:PORT",
        "http://0x7f.1:PORT",
        "http://0x7f.0x0.0x0.0x1:PORT",
        "http://017700000001:PORT",
        "http://0177.0.0.1:PORT",
        "http://0177.1:PORT",
        "http://127.000.000.001:PORT",
        "http://127.0.0.1.:PORT",
        "http://0:PORT",
        "http://0.0.0.0:PORT",
        "http://[::]:PORT",
        "http://[::1]:PORT",
        "https://[::1]:PORT",
        "http://[0:0:0:0:0:0:0:1]:PORT",
        "http://[0000::1]:PORT",
        "http://[::ffff:127.0.0.1]:PORT",
        "http://[::ffff:7f00:1]:PORT",
        "http://localhost:PORT",
        "https://localhost:PORT",
        "http://LocalHost:PORT",
        "http://%31%32%37.0.0.1:PORT",
        "http://example.com@127.0.0.1:PORT",
        "https://example.com:443@127.0.0.1:PORT",
        "http://user:password@127.0.0.1:PORT",
        "https://@127.0.0.1:PORT",
        "http://127.0.0.1:PORT\\@example.com",
        "http://127.0.0.1:PORT#@example.com",
        "http://127.0.0.1:PORT?@example.com",
        "http://127.0.0.1:PORT/@example.com",
        "http:\\\\127.0.0.1:PORT",
        "http:127.0.0.1:PORT",
        "http:///127.0.0.1:PORT",
        " http://127.0.0.1:PORT",
        "http://127.0.\t0.1:PORT",
    ];

    /// Other places that are not public, and what is no HTTP.
    const ELSEWHERE: [&str; 32] = [
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254",
        "http://2852039166",
        "http://0xa9fea9fe",
        "http://0xa9.0xfe.0xa9.0xfe",
        "http://0251.0376.0251.0376",
        "http://[::ffff:169.254.169.254]",
        "http://[::ffff:a9fe:a9fe]",
        "http://[64:ff9b::a9fe:a9fe]",
        "http://[64:ff9b::127.0.0.1]:PORT",
        "http://[64:ff9b:1::7f00:1]:PORT",
        "http://[2002:7f00:1::]:PORT",
        "http://[2001:0:7f00:1::]:PORT",
        "http://[::127.0.0.1]:PORT",
        "http://[fd00:ec2::254]",
        "http://100.100.100.200",
        "http://192.0.0.192",
        "https://10.0.0.1",
        "https://172.16.0.1",
        "https://192.168.1.1",
        "https://100.64.0.1",
        "https://198.18.0.1",
        "https://192.0.2.1",
        "https://224.0.0.1",
        "https://255.255.255.255",
        "https://[fe80::1]",
        "https://[fc00::1]",
        "https://[ff02::1]",
        "gopher://127.0.0.1:PORT/_GET",
        "ftp://127.0.0.1:PORT",
        "ws://127.0.0.1:PORT",
        "dict://127.0.0.1:PORT",
    ];

    #[tokio::test]
    async fn no_way_of_writing_a_place_that_is_not_public_leads_to_a_connection() {
        let (port, caught) = trap().await;
        let places = HERE.iter().chain(&ELSEWHERE);
        let client = HttpClient::new(AddressPolicy::default()).unwrap();
        for place in places {
            let url = place.replace("PORT", &port.to_string());
            let failure = client.send(request(&url)).await.unwrap_err();
            assert!(
                matches!(failure, SendFailure::Refused(_)),
                "{url:?}: {failure:?}"
            );
            assert_eq!(caught.load(Ordering::SeqCst), 0, "{url:?}");
        }
    }

    /// The same places lead to the trap where an operator has allowed this machine:
    /// it is there, and what keeps the others away is the policy alone.
    #[tokio::test]
    async fn the_same_places_are_reached_where_they_are_allowed() {
        let (port, caught) = trap().await;
        let networks = ["127.0.0.0/8", "0.0.0.0/32", "::/127"];
        let networks = networks.map(|network| Network::parse(network).unwrap());
        let client = HttpClient::new(AddressPolicy::new(networks.into())).unwrap();
        let has_v6 = TcpListener::bind("[::1]:0").await.is_ok();
        for place in HERE {
            if place.contains('[') && !place.contains("[::ffff") && !has_v6 {
                continue;
            }
            let url = place.replace("PORT", &port.to_string());
            let before = caught.load(Ordering::SeqCst);
            let failure = client.send(request(&url)).await.unwrap_err();
            assert!(
                caught.load(Ordering::SeqCst) > before,
                "{url:?}: {failure:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_name_is_resolved_once_and_only_its_allowed_addresses_are_used() {
        let (address, count) = far_end(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        let asked = Arc::new(AtomicUsize::new(0));
        let asks = Arc::clone(&asked);
        // The first answer mixes an allowed address with forbidden ones; all
        // later ones are forbidden, as of a name that is being rebound.
        let client = HttpClient::resolving(loopback(), move |_| {
            let first = asks.fetch_add(1, Ordering::SeqCst) == 0;
            let mut found = vec![SocketAddr::from(([10, 0, 0, 1], 0))];
            if first {
                found.push(([127, 0, 0, 1], 0).into());
            }
            Box::pin(async move { Ok(found) })
        })
        .unwrap();
        let url = format!("http://rebound.example:{}/?key=canary", address.port());
        assert_eq!(client.send(request(&url)).await.unwrap().status, 200);
        assert_eq!(
            (asked.load(Ordering::SeqCst), count.load(Ordering::SeqCst)),
            (1, 1)
        );

        let client = HttpClient::resolving(loopback(), |_| {
            Box::pin(async { Ok(vec![SocketAddr::from(([10, 0, 0, 1], 0))]) })
        })
        .unwrap();
        assert_eq!(
            client.send(request(&url)).await.unwrap_err(),
            SendFailure::Refused(
                "rebound.example: 10.0.0.1 is not a public address; if it is meant, add its \
                 network to egress.private"
                    .into()
            ),
        );
    }

    /// What a name may resolve to that somebody else has in hand; in the end also
    /// next to an address that is allowed, which is then the one that is used.
    #[tokio::test]
    async fn a_name_that_resolves_to_what_is_not_public_leads_nowhere() {
        let (trap, trapped) = far_end(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        let places = [
            "127.0.0.1",
            "127.8.8.8",
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
        ];
        let all: Vec<IpAddr> = places.iter().map(|place| place.parse().unwrap()).collect();
        let answers = all.iter().map(|place| vec![*place]).chain([all.clone()]);
        for found in answers {
            let answer: Vec<_> = found.iter().map(|ip| SocketAddr::new(*ip, 0)).collect();
            let client = HttpClient::resolving(AddressPolicy::default(), move |_| {
                let answer = answer.clone();
                Box::pin(async { Ok(answer) })
            })
            .unwrap();
            for scheme in ["http", "https"] {
                let url = format!("{scheme}://allowed.example:{}/?key=canary", trap.port());
                let failure = client.send(request(&url)).await.unwrap_err();
                let SendFailure::Refused(why) = failure else {
                    panic!("{found:?}: {failure:?}");
                };
                assert!(why.starts_with("allowed.example: "), "{why}");
                assert!(why.contains(" is not a public address; "), "{why}");
            }
        }
        assert_eq!(trapped.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn failures_are_sorted_by_whether_the_request_may_have_been_carried_out() {
        let unused = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        let (plain, _) = far_end(b"HTTP/1.1 200 OK\r\n\r\n").await;
        for url in [
            format!("http://{unused}/?key=canary"),
            format!("https://{plain}/?key=canary"),
            "http://name.invalid/?key=canary".to_owned(),
        ] {
            let failure = get(&url).await.unwrap_err();
            assert!(
                matches!(failure, SendFailure::Unreachable(_)),
                "{url}: {failure:?}"
            );
            assert!(!format!("{failure:?}").contains("canary"), "{failure:?}");
        }
        for (answer, why) in [
            (b"".as_slice(), "the answer was cut: "),
            (
                b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n123",
                "the answer was cut: ",
            ),
            (b"no HTTP\r\n\r\n", "the answer was cut: "),
            (
                b"HTTP/1.1 200 OK\r\ncontent-length: 101\r\n\r\n",
                "the answer is longer than 100 bytes",
            ),
        ] {
            let (address, _) = far_end(answer).await;
            let failure = get(&format!("http://{address}/?key=canary"))
                .await
                .unwrap_err();
            let SendFailure::Unknown(text) = failure else {
                panic!("{failure:?}")
            };
            assert!(text.starts_with(why), "{text}");
            assert!(!text.contains("canary"), "{text}");
        }
    }

    #[tokio::test]
    async fn an_answer_without_end_is_cut_at_the_limit_and_a_silent_one_in_time() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            while stream.write_all(&[b'x'; 64]).await.is_ok() {}
            let _silent = listener.accept().await.unwrap();
            tokio::time::sleep(Duration::from_secs(60)).await;
        });
        let url = format!("http://{address}/?key=canary");
        let too_long = SendFailure::Unknown("the answer is longer than 100 bytes".into());
        assert_eq!(get(&url).await.unwrap_err(), too_long);
        let late = SendFailure::Unknown("no complete answer in time".into());
        assert_eq!(get(&url).await.unwrap_err(), late);
    }

    #[tokio::test]
    async fn a_header_that_would_break_out_is_refused() {
        let (address, count) = far_end(b"HTTP/1.1 200 OK\r\n\r\n").await;
        let mut bad = request(&format!("http://{address}/"));
        bad.headers.push(("x-a".into(), "1\r\nx-b: canary".into()));
        let failure = HttpClient::new(loopback())
            .unwrap()
            .send(bad)
            .await
            .unwrap_err();
        assert_eq!(
            failure,
            SendFailure::Refused("header \"x-a\" is not valid in HTTP".into())
        );
        assert_eq!(count.load(Ordering::SeqCst), 0);
    }
}
