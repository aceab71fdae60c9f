//! Colours and weights that escape sequences set, as CSS classes: the pages allow no inline style, and colours keep their
//! contrast in light and dark.

use vte::Params;

/// How a character looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Style {
    flags: u8,
    /// 0 for the usual one, else one more than the number among the 16 colours.
    text: u8,
    ground: u8,
}

const FLAGS: [(u16, u16, &str); 6] =
    [(1, 22, "b"), (2, 22, "d"), (3, 23, "i"), (4, 24, "u"), (7, 27, "v"), (9, 29, "s")];

impl Style {
    /// As a number, to be read back by [`Style::from_code`].
    pub(crate) fn code(self) -> u32 {
        u32::from(self.flags) << 16 | u32::from(self.text) << 8 | u32::from(self.ground)
    }

    /// What [`Style::code`] was made from; unknown colours are the usual ones.
    pub(crate) fn from_code(code: u32) -> Self {
        let [_, flags, text, ground] = code.to_be_bytes();
        let known = |colour: u8| if colour <= 16 { colour } else { 0 };
        Self { flags: flags & 0x3f, text: known(text), ground: known(ground) }
    }

    /// The classes that say it.
    pub(crate) fn classes(self) -> String {
        let flags = FLAGS.iter().enumerate().filter(|(bit, _)| self.flags >> bit & 1 == 1);
        let mut classes: Vec<String> = flags.map(|(_, (_, _, class))| format!("t-{class}")).collect();
        let colour = |kind: &str, colour: u8| colour.checked_sub(1).map(|number| format!("{kind}{number}"));
        classes.extend(colour("f", self.text));
        classes.extend(colour("g", self.ground));
        classes.join(" ")
    }

    /// Applies a "select graphic rendition" sequence.
    pub(super) fn select(&mut self, params: &Params) {
        let mut params = params.iter();
        while let Some(param) = params.next() {
            let code = param.first().copied().unwrap_or(0);
            match code {
                0 => *self = Self::default(),
                30..=37 => self.text = small(code - 30) + 1,
                39 => self.text = 0,
                40..=47 => self.ground = small(code - 40) + 1,
                49 => self.ground = 0,
                90..=97 => self.text = small(code - 90) + 9,
                100..=107 => self.ground = small(code - 100) + 9,
                38 | 48 => {
                    // `38;5;N` and `38;2;R;G;B`, with semicolons or colons.
                    let values: Vec<u16> = if param.len() > 1 {
                        param[1..].to_vec()
                    } else {
                        let kind = params.next().and_then(|param| param.first().copied()).unwrap_or(0);
                        let more = if kind == 2 { 3 } else { 1 };
                        let rest = params.by_ref().take(more).filter_map(|param| param.first().copied());
                        std::iter::once(kind).chain(rest).collect()
                    };
                    let colour = extended(&values).map_or(0, |colour| colour + 1);
                    if code == 38 { self.text = colour } else { self.ground = colour }
                }
                _ => {
                    for (bit, (on, off, _)) in FLAGS.iter().enumerate() {
                        if code == *off {
                            self.flags &= !(1 << bit);
                        } else if code == *on {
                            self.flags |= 1 << bit;
                        }
                    }
                }
            }
        }
    }
}

fn small(number: u16) -> u8 {
    u8::try_from(number).unwrap_or(0)
}

/// One of the 16 colours for one of 256, or of all.
fn extended(values: &[u16]) -> Option<u8> {
    match *values {
        [5, number @ 0..=15, ..] => Some(small(number)),
        [5, number @ 16..=231, ..] => {
            let cube = number - 16;
            Some(nearest([cube / 36, cube / 6 % 6, cube % 6].map(|level| level * 51)))
        }
        [5, number @ 232..=255, ..] => Some(nearest([(number - 232) * 10 + 8; 3])),
        // A program may write what it likes: there is nothing brighter than 255.
        [2, .., red, green, blue] if values.len() >= 4 => Some(nearest([red, green, blue].map(|level| level.min(255)))),
        _ => None,
    }
}

fn nearest(colour: [u16; 3]) -> u8 {
    let most = colour.into_iter().max().unwrap_or(0);
    let least = colour.into_iter().min().unwrap_or(0);
    if most.saturating_sub(least) < 40 {
        return match most {
            0..64 => 0,
            64..140 => 8,
            140..220 => 7,
            _ => 15,
        };
    }
    let hue =
        colour.iter().enumerate().filter(|(_, level)| **level > (most + least) / 2).map(|(bit, _)| 1 << bit).sum();
    if most > 210 { hue + 8 } else { hue }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_colours_become_one_of_sixteen() {
        for (values, expected) in [
            (&[5, 9][..], Some(9)),
            (&[5, 196], Some(9)),
            (&[5, 232], Some(0)),
            (&[5, 255], Some(15)),
            (&[2, 0, 0, 200], Some(4)),
            (&[2, 0, 255, 255, 0], Some(11)),
            (&[2, 1, u16::MAX, 3], Some(10)),
            (&[2, u16::MAX, u16::MAX, u16::MAX], Some(15)),
            (&[5, 999], None),
            (&[2, 1], None),
            (&[], None),
        ] {
            assert_eq!(extended(values), expected, "{values:?}");
        }
    }

    #[test]
    fn a_style_reads_back() {
        let style = Style { flags: 0b10_0101, text: 16, ground: 3 };
        assert_eq!(Style::from_code(style.code()), style);
        assert_eq!(style.classes(), "t-b t-i t-s f15 g2");
        assert_eq!(Style::from_code(u32::MAX), Style { flags: 0x3f, text: 0, ground: 0 });
    }
}
