//! What an execution that prints a great deal costs itself and others.

use super::*;

#[test]
fn a_flood_goes_out_within_the_window_and_its_tail_before_its_end() {
    let mut scene = Scene::welcomed(1);
    scene.connect();
    scene.hear([ToWorker::Welcome(Box::new(Welcome { output_cap: 3 << 20, ..welcome() })), order(1)]);
    scene.begins(1);
    static CHUNK: [u8; 64 << 10] = [b'x'; 64 << 10];
    for _ in 0..160 {
        scene.prints(1, &CHUNK);
    }
    scene.exits(1);
    let mut durable = 0;
    let mut messages = Vec::new();
    loop {
        let said = scene.said();
        if said.is_empty() {
            let sent: u64 = messages
                .iter()
                .map(|m| if let FromWorker::Output { bytes, .. } = m { bytes.len() as u64 } else { 0 })
                .sum();
            if sent == durable {
                break;
            }
            assert!(sent - durable <= 1 << 20, "no more than the window is under way");
            durable = sent;
            scene.hear([ToWorker::OutputAck { key: key(1), stdout: durable, stderr: 0, order: 0 }]);
        }
        messages.extend(said);
    }
    assert_eq!(durable, 3 << 20);
    let [.., FromWorker::Tail { offset, bytes, .. }, FromWorker::Ended(report)] = &messages[..] else {
        panic!("the tail comes before the end")
    };
    assert_eq!((*offset, bytes.len()), (9 << 20, 1 << 20));
    assert!(report.stdout.is_empty());
}

#[test]
fn a_flood_of_one_execution_does_not_hold_up_the_end_of_another() {
    let mut scene = Scene::welcomed(2);
    scene.hear([order(1), order(2)]);
    scene.begins(1);
    scene.begins(2);
    static CHUNK: [u8; 64 << 10] = [b'x'; 64 << 10];
    for _ in 0..16 {
        scene.prints(1, &CHUNK);
    }
    scene.said();
    scene.prints(2, b"done");
    scene.exits(2);
    assert!(matches!(&scene.said()[0], FromWorker::Ended(report) if report.key == key(2)), "it goes first");
}
