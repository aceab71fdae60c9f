//! What is let through, and what is not, each in the bytes that a stranger would send.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};

use super::{sieve::Limits, *};

/// A header as a tar has it, with a right sum.
fn header(name: &[u8], kind: u8, size: u64, link: &[u8]) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name);
    block[100..107].copy_from_slice(b"0000644");
    if size < 8 << 30 {
        block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    } else {
        block[124] = 0x80;
        block[128..136].copy_from_slice(&size.to_be_bytes());
    }
    block[156] = kind;
    block[157..157 + link.len()].copy_from_slice(link);
    block[257..265].copy_from_slice(b"ustar\x0000");
    summed(block)
}

fn summed(mut block: Vec<u8>) -> Vec<u8> {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// An entry with its content.
fn entry(name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = header(name.as_bytes(), kind, content.len() as u64, b"");
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn file(name: &str) -> Vec<u8> {
    entry(name, b'0', b"echo\n")
}

fn link(name: &str, kind: u8, target: &str) -> Vec<u8> {
    header(name.as_bytes(), kind, 0, target.as_bytes())
}

fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let record = |(key, value): &(&str, &str)| {
        let rest = format!(" {key}={value}\n");
        let length = (1..).find(|length: &usize| length.to_string().len() + rest.len() == *length).unwrap();
        format!("{length}{rest}")
    };
    entry("PaxHeaders/x", b'x', records.iter().map(record).collect::<String>().as_bytes())
}

fn zipped(tar: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(tar).unwrap();
    encoder.finish().unwrap()
}

fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    zipped(&[&entries.concat()[..], &[0; 1024]].concat())
}

/// All entries: path and kind.
fn told(archive: &[u8]) -> Result<Vec<(String, Kind)>, Refused> {
    let mut sieve = Sieve::new(archive);
    let mut told = Vec::new();
    while let Some(entry) = sieve.next_entry()? {
        told.push((String::from_utf8_lossy(&entry.path).into_owned(), entry.kind));
    }
    Ok(told)
}

#[test]
fn an_honest_directory_is_told_with_the_directories_that_it_does_not_name() {
    let entries = archive(&[
        entry("./", b'5', b""),
        file("./main.sh"),
        entry("lib/words/a", b'0', b"some words"),
        link("lib/up", b'2', "../main.sh"),
        link("same", b'1', "./lib/words/a"),
        entry("old/", 0, b""),
    ]);
    let expected = [
        ("main.sh", Kind::File { size: 5 }),
        ("lib", Kind::Directory),
        ("lib/words", Kind::Directory),
        ("lib/words/a", Kind::File { size: 10 }),
        ("lib/up", Kind::Link { target: b"../main.sh".to_vec() }),
        ("same", Kind::SameAs { target: b"lib/words/a".to_vec() }),
        ("old", Kind::Directory),
    ];
    assert_eq!(told(&entries).unwrap(), expected.map(|(path, kind)| (path.to_owned(), kind)));
    let mut sieve = Sieve::new(&entries);
    while let Some(entry) = sieve.next_entry().unwrap() {
        let mut content = Vec::new();
        sieve.read_all(|piece| content.extend_from_slice(piece)).unwrap();
        match entry.path.as_slice() {
            b"main.sh" => assert_eq!(content, b"echo\n"),
            b"lib/words/a" => assert_eq!(content, b"some words"),
            _ => assert_eq!(content, b""),
        }
    }
}

#[test]
fn long_and_odd_names_are_told_as_they_are() {
    let long = format!("{}/{}", "d".repeat(200), "f".repeat(255));
    let gnu = archive(&[entry("././@LongLink", b'L', format!("{long}\0").as_bytes()), file("cut")]);
    let posix = archive(&[pax(&[("mtime", "1.5"), ("path", &long)]), file("cut")]);
    for archive in [gnu, posix] {
        assert_eq!(told(&archive).unwrap()[1].0, long);
    }
    let both = archive(&[entry("long", b'K', b"there\0"), pax(&[("path", "here")]), link("cut", b'2', "cut")]);
    assert_eq!(told(&both).unwrap(), [("here".to_owned(), Kind::Link { target: b"there".to_vec() })]);
    let mut prefixed = header(b"name", b'0', 0, b"");
    prefixed[345..348].copy_from_slice(b"pre");
    assert_eq!(told(&archive(&[summed(prefixed)])).unwrap()[1].0, "pre/name");
    let mut sieve_of = archive(&[header(b"caf\xe9", b'0', 0, b"")]);
    assert_eq!(Sieve::new(&sieve_of).next_entry().unwrap().unwrap().path, b"caf\xe9", "names are bytes");
    sieve_of = archive(&[header(b"../\x1b[2J", b'0', 0, b"")]);
    let refused = told(&sieve_of).unwrap_err().to_string();
    assert!(refused.contains("../\\u{1b}[2J"), "what is printed holds nothing that a terminal obeys: {refused}");
}

#[test]
fn what_is_packed_in_several_members_is_read_to_its_end() {
    let tar = [&entry("a", b'0', &[b'x'; 700])[..], &file("b"), &[0; 1024]].concat();
    let members = [zipped(&tar[..800]), zipped(&[]), zipped(&tar[800..])].concat();
    assert_eq!(told(&members).unwrap().len(), 2);
    assert_eq!(told(&[&members[..], &[0; 600]].concat()).unwrap().len(), 2, "filled up, as on a tape");
    assert_eq!(told(&zipped(&tar[..tar.len() - 1024])).unwrap().len(), 2, "no blocks of zeros at the end");
}

#[test]
fn what_is_no_whole_archive_is_refused() {
    let tar = [&entry("main.sh", b'0', &[b'x'; 3000])[..], &[0; 1024]].concat();
    let good = zipped(&tar);
    let mut damaged = tar.clone();
    damaged[2] ^= 1;
    let mut wrong_sum = good.clone();
    let at = wrong_sum.len() - 8;
    wrong_sum[at] ^= 1;
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("text", b"echo hello\n".to_vec()),
        ("a tar alone", tar.clone()),
        ("zipped text", zipped(b"echo hello\n")),
        ("an empty tar", zipped(&[0; 1024])),
        ("cut in the gzip", good[..good.len() - 9].to_vec()),
        ("cut in the content", zipped(&tar[..1024])),
        ("cut in a header", zipped(&tar[..100])),
        ("a damaged header", zipped(&damaged)),
        ("a damaged sum", wrong_sum),
        ("text behind it", [&good[..], b"trailing"].concat()),
        ("another archive behind it", [&good[..], &good].concat()),
        ("an end behind a long name", archive(&[entry("long", b'L', b"name\0")])),
    ] {
        let refused = told(&bytes).expect_err(what).to_string();
        assert!(refused.contains("not a whole tar.gz"), "{what}: {refused}");
    }
}

#[test]
fn an_entry_that_may_not_be_there_is_refused_by_its_name() {
    let deep = format!("{}x", "d/".repeat(2000));
    let (long, wide) = (format!("{}x", "d/".repeat(40)), "n".repeat(256));
    let many = |kind| (0..9).map(|_| entry("many", kind, b"x\0")).collect::<Vec<_>>();
    let cases: Vec<(&str, Vec<Vec<u8>>, &str, &str)> = vec![
        ("up", vec![file("../out")], "../out", "leads out"),
        ("up in the middle", vec![file("a/../../out")], "a/../../out", "leads out"),
        ("absolute", vec![file("/etc/passwd")], "/etc/passwd", "leads out"),
        ("up by pax", vec![pax(&[("path", "../out")]), file("fine")], "../out", "leads out"),
        ("link out", vec![link("l", b'2', "/etc")], "entry l ", "leads out"),
        ("link up", vec![link("a/l", b'2', "../..")], "a/l", "leads out"),
        ("link by links", vec![link("dot", b'2', "."), link("l", b'2', "dot/../..")], "entry l ", "leads out"),
        ("link by pax", vec![pax(&[("linkpath", "/etc")]), link("l", b'2', "fine")], "entry l ", "leads out"),
        ("through a link", vec![link("dot", b'2', "."), file("dot/file")], "dot/file", "goes through the link dot"),
        ("deep through", vec![link("dot", b'2', "."), file("dot/a/b/file")], "dot/a/b/file", "through the link dot"),
        ("a link to nothing", vec![link("l", b'2', "")], "entry l ", "link to nothing"),
        ("hard link out", vec![link("h", b'1', "/etc/passwd")], "entry h ", "leads out"),
        ("hard link up", vec![link("h", b'1', "../mark")], "entry h ", "leads out"),
        ("hard link to a link", vec![file("f"), link("l", b'2', "f"), link("h", b'1', "l")], "entry h ", "no file"),
        ("hard link to a directory", vec![entry("d/", b'5', b""), link("h", b'1', "d")], "entry h ", "no file"),
        ("hard link to later", vec![link("h", b'1', "f"), file("f")], "entry h ", "no file"),
        ("hard link to itself", vec![file("h"), link("h", b'1', "h")], "entry h ", "no file"),
        ("below a file", vec![file("f"), file("f/x")], "f/x", "which is a file"),
        ("file for directory", vec![file("d/x"), file("d")], "entry d ", "twice"),
        ("directory for link", vec![link("d", b'2', "x"), entry("d/", b'5', b"")], "d/", "twice"),
        ("pipe", vec![entry("p", b'6', b"")], "entry p ", "neither a file"),
        ("device", vec![entry("sda", b'4', b"")], "sda", "neither a file"),
        ("tty", vec![entry("tty", b'3', b"")], "tty", "neither a file"),
        ("holes", vec![header(b"holes", b'S', 1 << 62, b"")], "holes", "with holes"),
        ("pax holes", vec![pax(&[("GNU.sparse.realsize", "99999999999")]), file("holes")], "holes", "with holes"),
        ("pax 1.0", vec![pax(&[("GNU.sparse.major", "1")]), pax(&[("path", "p")]), file("h")], "entry p ", "holes"),
        ("large", vec![header(b"large", b'0', 1 << 62, b"")], "large", "at most 500000 files"),
        ("a little too large", vec![header(b"large", b'0', (4 << 30) + 1, b"")], "large", "4 GiB"),
        ("no size", vec![summed([&b"odd"[..], &[0; 121], b"zzzzzzzzzzz", &[0; 377]].concat())], "odd", "no size"),
        ("two sizes", vec![pax(&[("size", "7")]), file("f")], "entry f ", "two sizes"),
        ("directory with content", vec![entry("d/", b'5', b"x")], "d/", "has content"),
        ("link with content", vec![header(b"l", b'2', 9, b"x")], "entry l ", "has content"),
        ("top", vec![file("./.")], "./.", "no directory"),
        ("pax header", vec![header(b"PaxHeaders/h", b'x', 400 << 20, b"")], "PaxHeaders/h", "419430400 bytes"),
        ("long name", vec![header(b"././@LongLink", b'L', 1600 << 20, b"")], "@LongLink", "65536"),
        ("long link", vec![header(b"././@LongLink", b'K', 830 << 20, b"")], "@LongLink", "65536"),
        ("global header", vec![header(b"global", b'g', 65_537, b"")], "global", "65536"),
        ("global path", vec![entry("global", b'g', b"9 path=a\n"), file("f")], "global", "only hold comments"),
        ("malformed", vec![entry("bad", b'x', b"999 path=a\n"), file("f")], "bad", "malformed"),
        ("many headers", [many(b'L'), vec![file("f")]].concat(), "many", "too many headers"),
        ("long path", vec![entry("long", b'L', deep.as_bytes()), file("cut")], "d/d/d/", "too long a path"),
        ("long part", vec![entry("long", b'L', wide.as_bytes()), file("cut")], "nnn", "too long a name"),
        ("zero", vec![pax(&[("path", "a\0b")]), file("cut")], "a\\0b", "zero byte"),
        ("long target", vec![entry("x", b'K', &[b'a'; 4000]), link("l", b'2', "")], "entry l ", "link to nothing"),
    ];
    assert!(told(&archive(&[file(&long)])).is_ok());
    for (what, entries, name, why) in cases {
        let refused = told(&archive(&[vec![file("main.sh")], entries].concat())).expect_err(what).to_string();
        assert!(refused.contains(name) && refused.contains(why), "{what}: {refused}");
        assert!(refused.len() < 500, "{what} is said in {} bytes", refused.len());
    }
}

#[test]
fn an_entry_may_come_again() {
    let again = archive(&[file("a"), entry("d/", b'5', b""), link("a", b'2', "d"), entry("d/", b'5', b""), file("a")]);
    let mut sieve = Sieve::new(&again);
    let mut replaces = Vec::new();
    while let Some(entry) = sieve.next_entry().unwrap() {
        replaces.push((entry.path[0], entry.replaces));
    }
    assert_eq!(replaces, [(b'a', false), (b'd', false), (b'a', true), (b'd', true), (b'a', true)]);
}

#[test]
fn what_is_too_much_altogether_is_refused_when_it_has_got_so_far() {
    let limits = Limits { bytes: 4 << 20, entries: 10, names: 1000 };
    let refused = |archive: &[u8]| {
        let mut sieve = Sieve::within(archive, limits);
        loop {
            match sieve.next_entry() {
                Ok(Some(_)) => {}
                Ok(None) => return String::new(),
                Err(refused) => return refused.to_string(),
            }
        }
    };
    let zeros = zipped(&vec![0; 1 << 20]);
    let behind_the_end = [zipped(&file("main.sh")), zeros.repeat(5)].concat();
    let skipped = [zipped(&header(b"zeros", b'0', 3 << 20, b"")), zeros.repeat(5)].concat();
    let files =
        |count: usize, name: &str| archive(&(0..count).map(|at| file(&format!("{name}{at}"))).collect::<Vec<_>>());
    let deep = "d/".repeat(40);
    for (what, archive, name) in [
        ("declared", archive(&[entry("a", b'0', &vec![0; 3 << 20]), header(b"b", b'0', 3 << 20, b"")]), "entry b:"),
        ("declared at once", archive(&[header(b"a", b'0', 5 << 20, b"")]), "entry a:"),
        ("unpacked behind the end", behind_the_end, "main.sh"),
        ("unpacked", skipped, "zeros"),
        ("entries", files(11, "f"), "entry f10:"),
        ("entries that are named again", archive(&vec![file("f"); 11]), "entry f:"),
        ("directories that are not named", archive(&[file("a/b/c/d/e/f/g/h/i/j/k")]), "a/b/c"),
        ("names", archive(&[file(&format!("{deep}x")), file("y")]), "d/d/d"),
        ("targets", archive(&vec![link("l", b'2', &"t/".repeat(49)); 11]), "entry l"),
    ] {
        let said = refused(&archive);
        assert!(said.contains(name), "{what}: {said}");
    }
    assert_eq!(refused(&files(10, "f")), "");
}
