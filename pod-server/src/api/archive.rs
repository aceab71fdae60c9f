//! Whether a body is a whole tar.gz, before it becomes a revision.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::read::GzDecoder;

use super::problem::Problem;

/// How much is unpacked to find out. What is larger is looked at where it is installed.
const LOOKED_AT: u64 = 512 << 20;

/// Gives the archive back if it can be read to its end.
pub(super) async fn whole(archive: Bytes) -> Result<Bytes, Problem> {
    let looking = tokio::task::spawn_blocking(move || look(&archive).map(|()| archive));
    match looking.await {
        Ok(looked) => looked.map_err(|error| {
            Problem::invalid(format!(
                "The body is not a whole tar.gz of a directory ({error}); make one with `tar cz -C DIR .`"
            ))
        }),
        Err(error) => Err(Problem::new(super::problem::ProblemKind::Internal, error.to_string())),
    }
}

fn look(archive: &[u8]) -> io::Result<()> {
    let mut unpacked = GzDecoder::new(archive).take(LOOKED_AT);
    let mut entries = 0_u64;
    let mut failure = None;
    let mut tar = tar::Archive::new(&mut unpacked);
    for entry in tar.entries()? {
        match entry {
            Ok(_) => entries += 1,
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    if failure.is_none() {
        // Behind the last entry is the sum that tells damage.
        io::copy(&mut unpacked, &mut io::sink())?;
    }
    match failure {
        _ if unpacked.limit() == 0 => Ok(()),
        Some(error) => Err(error),
        None if entries == 0 => Err(io::Error::other("it is empty")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn zipped(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn only_a_whole_archive_passes() {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(3000);
        tar.append_data(&mut header, "main.sh", &[b'x'; 3000][..]).unwrap();
        let tar = tar.into_inner().unwrap();
        let good = zipped(&tar);
        assert!(look(&good).is_ok());
        assert!(look(&zipped(&tar[..3584])).is_ok(), "no blocks of zeros at the end, as some programs write it");
        for (what, bad) in [
            ("nothing", Vec::new()),
            ("text", b"echo hello\n".to_vec()),
            ("a tar alone", tar.clone()),
            ("zipped text", zipped(b"echo hello\n")),
            ("an empty tar", zipped(&[0; 1024])),
            ("cut in the gzip", good[..good.len() - 9].to_vec()),
            ("cut in the tar", zipped(&tar[..1024])),
        ] {
            assert!(look(&bad).is_err(), "{what}");
        }
    }
}
