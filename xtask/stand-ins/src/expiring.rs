//! What a program keeps for a while and may lose: logins that are under way, codes, tokens.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

/// The most values. The real programs keep all of them; here those that would end first go,
/// so that a client that never ends what it begins cannot fill the memory.
const MOST: usize = 2048;

/// Values by name, each until a second of its own. They may be secrets, so they cannot be
/// printed.
pub(crate) struct Expiring<V>(Mutex<Entries<V>>);

struct Entries<V> {
    values: HashMap<String, (Turn, V)>,
    /// Names in the order in which they go.
    turns: BTreeMap<Turn, String>,
    next: u64,
}

/// The last second, since 1970, and a number for those that share it.
type Turn = (i64, u64);

impl<V> Default for Expiring<V> {
    fn default() -> Self {
        Self(Mutex::new(Entries { values: HashMap::new(), turns: BTreeMap::new(), next: 0 }))
    }
}

impl<V: Clone> Expiring<V> {
    fn lock(&self) -> MutexGuard<'_, Entries<V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a value until this second, instead of the one that has its name.
    pub(crate) fn put(&self, name: &str, until: i64, value: V) {
        let mut guard = self.lock();
        let entries = &mut *guard;
        let turn = (until, entries.next);
        entries.next += 1;
        entries.turns.insert(turn, name.to_owned());
        if let Some((before, _)) = entries.values.insert(name.to_owned(), (turn, value)) {
            entries.turns.remove(&before);
        }
        while let Some(first) = entries.turns.first_entry()
            && (!is_ahead(first.key().0) || entries.values.len() > MOST)
        {
            let name = first.remove();
            entries.values.remove(&name);
        }
    }

    /// A value, if it has not ended.
    pub(crate) fn get(&self, name: &str) -> Option<V> {
        self.lock()
            .values
            .get(name)
            .filter(|((until, _), _)| is_ahead(*until))
            .map(|(_, value)| value.clone())
    }

    /// Takes a value out, if it has not ended; only one caller gets it.
    pub(crate) fn take(&self, name: &str) -> Option<V> {
        let mut entries = self.lock();
        let (turn, value) = entries.values.remove(name)?;
        entries.turns.remove(&turn);
        is_ahead(turn.0).then_some(value)
    }
}

fn is_ahead(second: i64) -> bool {
    second > Timestamp::now().as_second()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes<V: Clone>(kept: &Expiring<V>) -> (usize, usize) {
        let entries = kept.lock();
        (entries.values.len(), entries.turns.len())
    }

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
        assert_eq!(sizes(&kept), (0, 0));
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
        assert_eq!(sizes(&kept), (MOST, MOST));
    }
}
