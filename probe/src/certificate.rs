//! Until when a certificate is good, read from its DER: the one thing that is wanted of it.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The moment after which a certificate is not good any more; None for what is no certificate.
pub(crate) fn not_after(der: &[u8]) -> Option<Timestamp> {
    let (certificate, _) = of_tag(der, SEQUENCE)?;
    let (mut fields, _) = of_tag(certificate, SEQUENCE)?;
    if let Some((_, rest)) = of_tag(fields, VERSION) {
        fields = rest;
    }
    // Its number, the algorithm of its signature, and who issued it.
    for _ in 0..3 {
        fields = element(fields)?.2;
    }
    let (validity, _) = of_tag(fields, SEQUENCE)?;
    let (_, _, not_after) = element(validity)?;
    let (tag, time, _) = element(not_after)?;
    let time = std::str::from_utf8(time).ok()?.strip_suffix('Z').filter(|time| time.is_ascii())?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let year: i16 = time.get(..2)?.parse().ok()?;
            (year + if year < 50 { 2000 } else { 1900 }, time.get(2..)?)
        }
        GENERALIZED_TIME => (time.get(..4)?.parse().ok()?, time.get(4..)?),
        _ => return None,
    };
    let two = |at: usize| rest.get(at..at + 2).and_then(|digits| digits.parse::<i8>().ok());
    let date = DateTime::new(year, two(0)?, two(2)?, two(4)?, two(6)?, two(8)?, 0).ok()?;
    TimeZone::UTC.to_timestamp(date).ok()
}

/// The content of the first element, if it has this tag, and what follows it.
fn of_tag(input: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    element(input).filter(|(found, ..)| *found == tag).map(|(_, content, rest)| (content, rest))
}

/// The first element's tag and content, and what follows it.
fn element(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = input.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        short @ 0..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_read() {
        for (year, end) in [(2031, "2031-02-03T00:00:00Z"), (2096, "2096-02-03T00:00:00Z")] {
            let mut params = CertificateParams::new(vec!["argocd.host".to_owned()]).unwrap();
            params.not_after = date_time_ymd(year, 2, 3);
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            assert_eq!(not_after(certificate.der()), Some(end.parse().unwrap()), "{year}");
        }
    }

    #[test]
    fn what_is_cut_off_or_something_else_has_no_end() {
        let params = CertificateParams::new(vec!["argocd.host".to_owned()]).unwrap();
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let der = certificate.der();
        for length in [0, 1, 2, 5, 40, der.len() - 1] {
            assert_eq!(not_after(&der[..length]), None, "{length}");
        }
        assert_eq!(not_after(b"hello, this is no certificate"), None);
        assert_eq!(not_after(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
