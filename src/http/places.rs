//! How many connections there may be: in all, and of one source.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use crate::domain::source::Source;

/// Connections at once, over all workers; beyond that they wait to be accepted. With 32 KiB of each body, and as much of
/// what the server reads ahead, they take some 64 MiB at the most.
pub(super) const CONNECTIONS_MAX: usize = 1024;
/// Connections at once of one source, unless it speaks for others or is known: further ones are closed. A provider sends
/// side by side from a few addresses, and no single sender can keep the others out.
const OF_ONE_SOURCE_MAX: usize = CONNECTIONS_MAX / 4;

/// How many connections each source has.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<HashMap<Source, usize>>);

impl Places {
    /// A place for a connection from `address`, if its source has not got its share. Who `is_trusted` has no share.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr, is_trusted: bool) -> Option<Place> {
        let source = Source::of(address);
        let mut taken = self.0.lock().ok()?;
        let of_source = taken.entry(source).or_default();
        if *of_source >= OF_ONE_SOURCE_MAX && !is_trusted {
            return None;
        }
        *of_source += 1;
        Some(Place { places: self.clone(), source })
    }
}

/// The place of one connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    source: Source,
}

impl Drop for Place {
    fn drop(&mut self) {
        let Ok(mut taken) = self.places.0.lock() else { return };
        if let Some(of_source) = taken.get_mut(&self.source) {
            *of_source = of_source.saturating_sub(1);
            if *of_source == 0 {
                taken.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{OF_ONE_SOURCE_MAX, Places};

    #[test]
    fn a_source_has_its_share_and_gets_a_place_again_when_one_is_free() {
        let places = Arc::new(Places::default());
        let take = |address: &str, is_trusted| places.take(address.parse().unwrap(), is_trusted);
        let mut held: Vec<_> = (0..OF_ONE_SOURCE_MAX).map(|_| take("203.0.113.9", false).unwrap()).collect();
        assert!(take("203.0.113.9", false).is_none());
        assert!(take("::ffff:203.0.113.9", false).is_none(), "the same in other clothes");
        let other = take("203.0.113.10", false).unwrap();
        let trusted: Vec<_> = (0..2000).map(|_| take("203.0.113.9", true).unwrap()).collect();
        drop(trusted);
        held.pop();
        held.push(take("203.0.113.9", false).unwrap());
        assert!(take("203.0.113.9", false).is_none());
        drop((held, other));
        assert!(places.0.lock().unwrap().is_empty(), "nothing is left of who is gone");
    }
}
