//! The name that was probably meant by one that does not exist.

/// Slips that are still recognised: more of them is another word.
const MOST_SLIPS: usize = 2;
/// Bytes of a slip; what is longer is none, and not worth the time, which grows with the product of both lengths.
const LONGEST_SLIP: usize = 20;

/// Returns the name nearest to `slip`, if it is as near as typing errors make it: two letters off at most and fewer than
/// half of the name. Letters that stand in another order count as one.
///
/// ```
/// use callbox::text::nearest;
///
/// assert_eq!(nearest("lien", ["line", "length"]), Some("line"));
/// assert_eq!(nearest("lamp", ["line", "length"]), None);
/// ```
pub fn nearest<'a>(slip: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if slip.is_empty() || slip.len() > LONGEST_SLIP {
        return None;
    }
    let slip = slip.to_lowercase();
    let slips = names.into_iter().map(|name| (slips(slip.as_bytes(), name.as_bytes()), name));
    let near = slips.filter(|(slips, name)| *slips <= MOST_SLIPS && slips * 2 < name.len());
    near.min_by_key(|(slips, _)| *slips).map(|(_, name)| name)
}

fn slips(one: &[u8], other: &[u8]) -> usize {
    let sorted = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes.sort_unstable();
        bytes
    };
    if one != other && sorted(one) == sorted(other) { 1 } else { distance(one, other) }
}

/// Returns how many bytes to insert, remove or replace to make one from the other (Levenshtein).
fn distance(one: &[u8], other: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, a) in one.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let names = ["help", "hex", "quit", "encoding"];
        for (slip, name) in [
            ("hlep", Some("help")),
            ("HEX", Some("hex")),
            ("qiut", Some("quit")),
            ("encodign", Some("encoding")),
            ("encodin", Some("encoding")),
            ("max", None),
            ("", None),
            ("encodingencodingencoding", None),
        ] {
            assert_eq!(nearest(slip, names), name, "{slip}");
        }
    }
}
