//! HTTP by hand, to send what no client library would.

use crate::World;
use crate::world::ADMIN_TOKEN;
use crate::world::FLASHDUTY_TOKEN;
use crate::world::SERVICENOW_TOKEN;
use serde_json::Value;
use servicenow_sync::Host;
use std::net::SocketAddr;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// An answer, or what there was of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// 0 if the connection was closed without an answer.
    pub status: u16,
    /// The body, as text.
    pub text: String,
}

impl Answer {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

impl World {
    /// Sends a webhook as Flashduty would.
    pub async fn flashduty_sends(&self, body: &Value) -> Answer {
        self.send(
            "/flashduty/demo",
            &[bearer(FLASHDUTY_TOKEN)],
            body.to_string().as_bytes(),
        )
        .await
    }

    /// Sends a webhook as ServiceNow would.
    pub async fn servicenow_sends(&self, body: &Value) -> Answer {
        self.send(
            "/servicenow/demo",
            &[bearer(SERVICENOW_TOKEN)],
            body.to_string().as_bytes(),
        )
        .await
    }

    /// Sends a `POST` with these header lines.
    pub async fn send(&self, path: &str, headers: &[String], body: &[u8]) -> Answer {
        let mut head = format!("POST {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n");
        if !headers.iter().any(|line| line.starts_with("content-type")) {
            head += "content-type: application/json\r\n";
        }
        if !headers
            .iter()
            .any(|line| line.starts_with("transfer-encoding"))
        {
            head += &format!("content-length: {}\r\n", body.len());
        }
        for line in headers {
            head += &format!("{line}\r\n");
        }
        self.raw(&[head.as_bytes(), b"\r\n", body].concat()).await
    }

    /// Sends bytes to the webhook listener and reads what comes back.
    pub async fn raw(&self, bytes: &[u8]) -> Answer {
        exchange(self.webhooks().expect("the gateway runs"), bytes).await
    }

    /// Asks the plugin for something by hand, as an operator would.
    pub async fn operate(&self, what: &str, body: &Value) -> Answer {
        let address = self.host.as_ref().map(Host::admin_addr);
        let body = body.to_string();
        let request = format!(
            "POST /plugin/demo/{what} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n{}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            bearer(ADMIN_TOKEN),
            body.len()
        );
        exchange(address.expect("the gateway runs"), request.as_bytes()).await
    }

    /// Asks the admin listener, with or without its token.
    pub async fn admin(&self, path: &str, token: Option<&str>) -> Answer {
        let address = self
            .host
            .as_ref()
            .map(Host::admin_addr)
            .expect("the gateway runs");
        let proof = token.map_or(String::new(), |token| format!("{}\r\n", bearer(token)));
        let head =
            format!("GET {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n{proof}\r\n");
        exchange(address, head.as_bytes()).await
    }
}

/// The header line of a bearer token.
pub fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}")
}

async fn exchange(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address)
        .await
        .expect("the listener accepts");
    let (mut reader, mut writer) = stream.split();
    let mut received = Vec::new();
    // A listener that refuses does not wait for the rest of a body.
    let _ = tokio::join!(writer.write_all(bytes), reader.read_to_end(&mut received));
    let text = String::from_utf8_lossy(&received);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Answer {
        status: status.unwrap_or(0),
        text: body.to_owned(),
    }
}
