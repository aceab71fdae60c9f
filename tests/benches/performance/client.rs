//! A client as light as one can be: HTTP/1.1 over one kept connection, no more than what POD answers with.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A connection that is kept.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    address: SocketAddr,
    /// What arrived and was not consumed.
    arrived: Vec<u8>,
}

/// The head of an answer.
#[derive(Clone, Copy, Debug)]
struct Head {
    status: u16,
    body: Body,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Length(usize),
    Chunked,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("no connection to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, address, arrived: Vec::with_capacity(4096) })
    }

    /// Asks and takes the whole answer, which must be a success.
    pub(crate) async fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> Result<Vec<u8>> {
        self.send(method, path, body).await?;
        let head = self.head().await?;
        let answer = match head.body {
            Body::Length(length) => self.exactly(length).await?,
            Body::Chunked => {
                let mut whole = Vec::new();
                while let Some(chunk) = self.chunk().await? {
                    whole.extend_from_slice(&chunk);
                }
                whole
            }
        };
        let told = String::from_utf8_lossy(&answer);
        ensure!((200..300).contains(&head.status), "{method} {path} was answered with {}: {told}", head.status);
        Ok(answer)
    }

    /// Opens a stream of events, and leaves it open.
    pub(crate) async fn listen(&mut self, path: &str) -> Result<()> {
        self.send("GET", path, b"").await?;
        let head = self.head().await?;
        ensure!(head.status == 200, "GET {path} was answered with {}", head.status);
        Ok(())
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<Value> {
        Ok(serde_json::from_slice(&self.ask("GET", path, b"").await?)?)
    }

    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> Result<Value> {
        Ok(serde_json::from_slice(&self.ask("POST", path, &serde_json::to_vec(body)?).await?)?)
    }

    /// Submits one execution; its id.
    pub(crate) async fn submit(&mut self, activity: &str, input: &str) -> Result<u64> {
        let body = format!(r#"{{"activity":"{activity}","input":"{input}"}}"#);
        let answer: Value = serde_json::from_slice(&self.ask("POST", "/api/v1/executions", body.as_bytes()).await?)?;
        answer["id"].as_u64().with_context(|| format!("an execution without id: {answer}"))
    }

    /// Submits many, at most 10,000 a request; their ids.
    pub(crate) async fn submit_many(&mut self, activity: &str, inputs: std::ops::Range<usize>) -> Result<Vec<u64>> {
        let mut ids = Vec::with_capacity(inputs.len());
        let (mut next, end) = (inputs.start, inputs.end);
        while next < end {
            let until = end.min(next + 10_000);
            let list: Vec<String> = (next..until).map(|number| format!("\"{number}\"")).collect();
            let body = format!(r#"{{"activity":"{activity}","inputs":[{}]}}"#, list.join(","));
            let answer = self.ask("POST", "/api/v1/executions/batch", body.as_bytes()).await?;
            let answer: Value = serde_json::from_slice(&answer)?;
            let given = answer["ids"].as_array().context("a batch without ids")?;
            ensure!(given.len() == until - next, "{} ids for {} inputs", given.len(), until - next);
            ids.extend(given.iter().filter_map(Value::as_u64));
            next = until;
        }
        Ok(ids)
    }

    /// Follows stdout of an execution until its first byte.
    pub(crate) async fn first_byte(&mut self, id: u64) -> Result<()> {
        let path = format!("/api/v1/executions/{id}/output?stream=stdout&follow=true");
        self.send("GET", &path, b"").await?;
        let head = self.head().await?;
        ensure!(head.status == 200, "following was answered with {}", head.status);
        match head.body {
            Body::Chunked => ensure!(self.chunk().await?.is_some(), "execution {id} printed nothing"),
            Body::Length(_) => bail!("a followed output has no length"),
        }
        Ok(())
    }

    /// Follows stdout of an execution to its end; how many bytes it saw.
    pub(crate) async fn follow(&mut self, id: u64) -> Result<usize> {
        let path = format!("/api/v1/executions/{id}/output?stream=stdout&follow=true");
        self.send("GET", &path, b"").await?;
        let head = self.head().await?;
        ensure!(head.status == 200 && head.body == Body::Chunked, "following was answered with {}", head.status);
        self.rest().await
    }

    /// Goes on with the answer that `first_byte` began, to its end; how many bytes that were.
    pub(crate) async fn rest(&mut self) -> Result<usize> {
        let mut length = 0;
        while let Some(chunk) = self.chunk().await? {
            length += chunk.len();
        }
        Ok(length)
    }

    async fn send(&mut self, method: &str, path: &str, body: &[u8]) -> Result<()> {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.stream.write_all(&request).await?;
        Ok(())
    }

    async fn head(&mut self) -> Result<Head> {
        let end = loop {
            if let Some(at) = find(&self.arrived, b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let head: Vec<u8> = self.arrived.drain(..end).collect();
        let text = std::str::from_utf8(&head)?;
        let status = text.split(' ').nth(1).and_then(|word| word.parse().ok()).context("an answer without status")?;
        let mut body = Body::Length(0);
        for line in text.lines().skip(1) {
            let Some((name, value)) = line.split_once(':') else { continue };
            if name.eq_ignore_ascii_case("content-length") {
                body = Body::Length(value.trim().parse()?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                body = Body::Chunked;
            }
        }
        Ok(Head { status, body })
    }

    async fn chunk(&mut self) -> Result<Option<Vec<u8>>> {
        let line = loop {
            if let Some(at) = find(&self.arrived, b"\r\n") {
                break self.arrived.drain(..at + 2).collect::<Vec<u8>>();
            }
            self.more().await?;
        };
        let length = usize::from_str_radix(std::str::from_utf8(&line)?.trim(), 16)?;
        let mut chunk = self.exactly(length + 2).await?;
        chunk.truncate(length);
        Ok((length > 0).then_some(chunk))
    }

    async fn exactly(&mut self, length: usize) -> Result<Vec<u8>> {
        while self.arrived.len() < length {
            self.more().await?;
        }
        Ok(self.arrived.drain(..length).collect())
    }

    async fn more(&mut self) -> Result<()> {
        let read = tokio::time::timeout(Duration::from_secs(120), self.stream.read_buf(&mut self.arrived)).await;
        ensure!(read.context("no answer for two minutes")?? > 0, "the manager closed the connection");
        Ok(())
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
