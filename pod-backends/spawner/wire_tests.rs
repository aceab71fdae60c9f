//! What is written is read as it was.

use super::*;

#[test]
fn an_order_is_read_as_it_was_written() {
    let orders = [
        Order::Start(Start {
            run: 7,
            timeout_ms: Some(1500),
            grace_ms: 10_000,
            place: Place::Copy,
            witness: Some((c"/tmp/a b/main.sh", Witness { inode: 1, size: 2, seconds: -3, nanos: 4, runs: 0o111 })),
            program: c"./main.sh",
            dir: c"/tmp/a b",
            args: vec![c"./main.sh", c""],
            env: vec![c"A=1", c"B=\xff"],
        }),
        Order::Start(Start {
            run: 8,
            timeout_ms: None,
            grace_ms: 0,
            place: Place::Shared,
            witness: None,
            program: c"/bin/sh",
            dir: c"/",
            args: vec![],
            env: vec![],
        }),
        Order::Stop { run: 7, mode: Stop::Terminate },
        Order::Stop { run: 7, mode: Stop::Kill },
        Order::GoOn { birth: 2 },
        Order::Write {
            run: 7,
            stream: Pipe::Stderr,
            until: GIVE_BYTES,
            device: 5,
            inode: 6,
            path: c"/tmp/a b/1.1.stderr",
        },
    ];
    for order in orders {
        let mut packet = Vec::new();
        order.encode(&mut packet);
        assert_eq!(Order::decode(&packet).as_ref(), Some(&order));
        assert_eq!(Order::decode(&packet[..packet.len() - 1]), None, "a shortened packet is not an order");
        if let Order::Start(start) = order {
            set_run(&mut packet, 9);
            assert_eq!(Order::decode(&packet), Some(Order::Start(Start { run: 9, ..start })));
        }
    }
}

#[test]
fn reports_are_read_as_they_were_written() {
    let ends = [
        End::Exited(-1),
        End::Signalled(9),
        End::TimedOut,
        End::Terminated,
        End::NotStarted(2),
        End::OutOfMemory,
        End::NoPlace(28),
        End::Damaged,
        End::NoUser,
        End::NoFence(1),
    ]
    .map(|end| Report::Ended { at_ms: 1, end });
    let mut reports = vec![
        Report::Started { at_ms: 1_790_000_000_123 },
        Report::Output { stream: Pipe::Stdout, bytes: b"\0\xff" },
        Report::Output { stream: Pipe::Stderr, bytes: b"no newline" },
        Report::Reborn { birth: 2 },
        Report::Returned,
        Report::Holds { stream: Pipe::Stderr },
        Report::Wrote { stream: Pipe::Stdout, len: 1 << 40 },
    ];
    reports.extend(ends);
    let mut packet = 42_u64.to_le_bytes().to_vec();
    reports.iter().for_each(|report| report.encode(&mut packet));
    assert_eq!(Report::decode_packet(&packet), Some((42, reports)));
    assert_eq!(Report::decode_packet(&packet[..packet.len() - 1]), None);
}
