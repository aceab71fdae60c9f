//! Clients that begin to say something and never end: they keep nobody else out.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use pod_tests::Pod;

fn say(address: &str, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

fn answer(mut stream: TcpStream) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    text
}

#[test]
fn slow_clients_do_not_hold_up_the_sign_in_nor_anybody_else() {
    let pod = Pod::new();
    // Room for 256 connections.
    let server = pod.serve_after("ulimit -n 512", "127.0.0.1:0", &["--token", "s3cret"]);
    let address = server.url().trim_start_matches("http://").to_owned();
    let post = "Host: localhost\r\nAuthorization: Bearer s3cret\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{";
    let sign_in = "Host: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 99\r\n\r\nt";
    let slow: Vec<TcpStream> = (0..400)
        .map(|n| match n % 4 {
            0 => say(&address, &format!("POST /api/v1/executions HTTP/1.1\r\n{post}")),
            1 => say(&address, &format!("POST /login HTTP/1.1\r\n{sign_in}")),
            2 => say(&address, "GET / HTTP/1.1\r\nHost: local"),
            _ => say(&address, ""),
        })
        .collect();
    let begun = Instant::now();
    let body = "token=s3cret";
    let signed_in = say(
        &address,
        &format!(
            "POST /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    );
    let said = answer(signed_in);
    assert!(said.starts_with("HTTP/1.1 303"), "{said}");
    let listed = say(
        &address,
        "GET /api/v1/overview HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer s3cret\r\n\r\n",
    );
    let said = answer(listed);
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(10), "nobody waited for those who are slow: {:?}", begun.elapsed());
    drop(slow);
}
