//! A network that fails, between the gateway and a simulator.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::io;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// What happens to a request or to its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection is closed before the request has arrived.
    CutBefore,
    /// A page of some proxy comes instead, with status 200.
    Page,
    /// What comes instead is not HTTP.
    Garbage,
    /// The request arrives, and the connection is closed without an answer.
    CutAfter,
    /// The same, and the connection is reset.
    Reset,
    /// The answer never comes.
    Stall,
    /// The answer comes in small pieces.
    Slow,
    /// The connection is closed in the middle of the answer.
    Half,
    /// The answer says that it is longer than it is.
    WrongLength,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::CutBefore,
        Self::Page,
        Self::Garbage,
        Self::CutAfter,
        Self::Reset,
        Self::Stall,
        Self::Slow,
        Self::Half,
        Self::WrongLength,
    ];

    /// Whether the far end gets to see the request.
    pub fn delivers(self) -> bool {
        !matches!(self, Self::CutBefore | Self::Page | Self::Garbage)
    }
}

/// Requests that add something to an incident, or an incident in Flashduty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Additions {
    /// They meet no fault.
    Spared,
    /// They meet it as all others do.
    Meant,
}

/// Passes requests on; once it is told to, the first one of each kind meets a
/// fault.
pub struct Network {
    address: SocketAddr,
    plan: Arc<Mutex<Plan>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Plan {
    fault: Option<(Fault, Additions)>,
    /// The kinds of requests that have met it.
    met: BTreeSet<String>,
}

impl Network {
    /// Starts to pass requests on to that address.
    pub async fn start(far_end: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let plan = Arc::<Mutex<Plan>>::default();
        let task = tokio::spawn({
            let plan = Arc::clone(&plan);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let plan = Arc::clone(&plan);
                    // It ends when one of the two closes the connection.
                    tokio::spawn(async move { pass_on(stream, far_end, &plan).await.ok() });
                }
            }
        });
        Ok(Self {
            address,
            plan,
            task,
        })
    }

    /// As the configuration names it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on the first request of each kind meets this fault, unless it
    /// has met it before.
    pub fn fail(&self, fault: Fault, additions: Additions) {
        lock(&self.plan).fault = Some((fault, additions));
    }

    /// The kinds of requests that have met the fault.
    pub fn met(&self) -> Vec<String> {
        lock(&self.plan).met.iter().cloned().collect()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Plan {
    fn fault_of(&mut self, request: &Message) -> Option<Fault> {
        let target = request.head.split([' ', '?']).take(2);
        let mut kind = target.collect::<Vec<_>>().join(" ");
        if let Some((collection, id)) = kind.rsplit_once('/')
            && id.len() == 32
        {
            kind = format!("{collection}/ID");
        }
        let body = String::from_utf8_lossy(&request.body);
        let has_note = body.contains("\"work_notes\"") || body.contains("\"comments\"");
        // A creation has one too.
        let has_note = has_note && kind.starts_with("PATCH ");
        if has_note {
            kind += " with a note";
        }
        let adds = has_note || kind.ends_with("/comment") || kind.ends_with("/create");
        let (fault, additions) = self.fault?;
        let meant = !adds || additions == Additions::Meant;
        (meant && self.met.insert(kind)).then_some(fault)
    }
}

fn lock(plan: &Mutex<Plan>) -> MutexGuard<'_, Plan> {
    plan.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn pass_on(mut near: TcpStream, far_end: SocketAddr, plan: &Mutex<Plan>) -> io::Result<()> {
    loop {
        let request = Message::read(&mut near).await?;
        let fault = lock(plan).fault_of(&request);
        match fault {
            Some(Fault::CutBefore) => return Ok(()),
            Some(Fault::Garbage) => return near.write_all(b"\x15\x03\x01\0\x02\x02\x46").await,
            Some(Fault::Page) => {
                let page =
                    b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 21\r\n\r\n\
                             <h1>Please log in</h1>";
                near.write_all(&page[..page.len() - 1]).await?;
                continue;
            }
            _ => {}
        }
        let mut far = TcpStream::connect(far_end).await?;
        far.write_all(request.head.as_bytes()).await?;
        far.write_all(&request.body).await?;
        let answer = Message::read(&mut far).await?;
        let (head, body) = (answer.head.as_bytes(), &answer.body);
        match fault {
            Some(Fault::CutAfter) => return Ok(()),
            Some(Fault::Reset) => return near.set_zero_linger(),
            Some(Fault::Stall) => std::future::pending().await,
            Some(Fault::Half) => {
                near.write_all(head).await?;
                return near.write_all(&body[..body.len() / 2]).await;
            }
            Some(Fault::WrongLength) => {
                let length = format!("content-length: {}", body.len());
                let longer = format!("content-length: {}", body.len() + 100);
                let head = answer.head.replace(&length, &longer);
                near.write_all(head.as_bytes()).await?;
                return near.write_all(body).await;
            }
            Some(Fault::Slow) => {
                near.write_all(head).await?;
                for piece in body.chunks(body.len() / 10 + 1) {
                    tokio::time::sleep(Duration::from_millis(30)).await;
                    near.write_all(piece).await?;
                }
            }
            _ => {
                near.write_all(head).await?;
                near.write_all(body).await?;
            }
        }
    }
}

/// A request or an answer.
struct Message {
    /// With the empty line at its end.
    head: String,
    body: Vec<u8>,
}

impl Message {
    async fn read(stream: &mut TcpStream) -> io::Result<Self> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.parse().ok()).flatten()
        });
        let mut body = vec![0; length.unwrap_or(0)];
        stream.read_exact(&mut body).await?;
        Ok(Self { head, body })
    }
}
