//! What a program keeps for a while and may lose: logins that are under way, codes, tokens.

use std::collections::BTreeMap;
use std::sync::Mutex;

use base::mutex::lock;
use jiff::Timestamp;

/// The most values. The real programs keep all of them; here those that would end first go,
/// so that a client that never ends what it begins cannot fill the memory.
const MOST: usize = 2048;

/// Values by name, each until a second of its own. They may be secrets, so they cannot be
/// printed.
pub(crate) struct Expiring<V>(Mutex<Entries<V>>);

/// What comes and goes by the last second, since 1970, and a number for those that share it.
type Entries<V> = BTreeMap<String, ((i64, usize), V)>;

impl<V> Default for Expiring<V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<V: Clone> Expiring<V> {
    /// Keeps a value until this second, instead of the one that has its name.
    pub(crate) fn put(&self, name: &str, until: i64, value: V) {
        let mut entries = lock(&self.0);
        let number = entries.values().map(|((_, number), _)| number + 1).max().unwrap_or_default();
        entries.insert(name.to_owned(), ((until, number), value));
        entries.retain(|_, ((until, _), _)| is_ahead(*until));
        if entries.len() > MOST
            && let Some(first) =
                entries.iter().min_by_key(|(_, (turn, _))| *turn).map(|(name, _)| name.clone())
        {
            entries.remove(&first);
        }
    }

    /// A value, if it has not ended.
    pub(crate) fn get(&self, name: &str) -> Option<V> {
        lock(&self.0).get(name).filter(|((until, _), _)| is_ahead(*until)).map(|(_, value)| value.clone())
    }

    /// Takes a value out, if it has not ended; only one caller gets it.
    pub(crate) fn take(&self, name: &str) -> Option<V> {
        lock(&self.0).remove(name).filter(|((until, _), _)| is_ahead(*until)).map(|(_, value)| value)
    }
}

fn is_ahead(second: i64) -> bool {
    second > Timestamp::now().as_second()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_there_until_it_ends_or_is_taken() {
        let kept = Expiring::default();
        let now = Timestamp::now().as_second();
        kept.put("a", now + 60, 1);
        kept.put("a", now + 60, 2);
        assert_eq!(
            (kept.get("a"), kept.take("a"), kept.take("a"), kept.get("a")),
            (Some(2), Some(2), None, None)
        );
        kept.put("late", now, 3);
        assert_eq!((kept.get("late"), kept.take("late")), (None, None));
        assert_eq!(lock(&kept.0).len(), 0);
    }

    #[test]
    fn those_that_end_first_go_when_there_are_too_many() {
        let kept = Expiring::default();
        let now = Timestamp::now().as_second();
        kept.put("long", now + 120, 0);
        kept.put("first", now + 60, 0);
        for number in 0..MOST {
            kept.put(&number.to_string(), now + 60, number);
        }
        assert_eq!(
            (kept.get("first"), kept.get("0"), kept.get("1"), kept.get("long")),
            (None, None, Some(1), Some(0))
        );
        assert_eq!(lock(&kept.0).len(), MOST);
    }
}
