// SPDX-License-Identifier: Apache-2.0
//! Size: disk sizes as people write them.

/// Units are binary (IEC 80000-13), as disk sizes of virtual machines are.
const UNITS: [(&str, u64); 5] =
    [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// Reads `10GiB` or `10 GiB` as bytes; none if it is not a size.
pub fn parse(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_need_a_number_and_a_unit() {
        assert_eq!(parse("10GiB"), Some(10 << 30));
        assert_eq!(parse("12600 MiB"), Some(13_212_057_600));
        for text in ["10", "GiB", "10GB", "1.5GiB", "-1GiB", "10  GiB", "99999999999TiB", ""] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
