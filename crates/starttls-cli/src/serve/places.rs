//! How many connections there may be, in all and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Who has how many places.
#[derive(Debug)]
pub(crate) struct Places {
    most: u32,
    most_per_source: u32,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: u32,
    by_source: HashMap<IpAddr, u32>,
}

/// A place that is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    source: IpAddr,
}

/// Which limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    All,
    Source,
}

impl Places {
    pub(crate) fn new(most: u32, most_per_source: u32) -> Arc<Self> {
        Arc::new(Self {
            most,
            most_per_source,
            taken: Mutex::default(),
        })
    }

    /// An address of IPv6 counts with its whole network of 64 bits, which one host has as a rule.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Place, Full> {
        let source = network(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.most {
            return Err(Full::All);
        }
        let of_source = taken.by_source.entry(source).or_default();
        if *of_source >= self.most_per_source {
            return Err(Full::Source);
        }
        *of_source = of_source.saturating_add(1);
        taken.all = taken.all.saturating_add(1);
        Ok(Place {
            places: self.clone(),
            source,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self
            .places
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        if let Some(of_source) = taken.by_source.get_mut(&self.source) {
            *of_source = of_source.saturating_sub(1);
            if *of_source == 0 {
                taken.by_source.remove(&self.source);
            }
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::from((u128::from(address) & (u128::MAX << 64)).to_be_bytes())
        }
        four => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_given_back() {
        let places = Places::new(3, 2);
        let [a, b] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse::<IpAddr>().unwrap());
        let first = places.take(a).unwrap();
        let _second = places.take(a).unwrap();
        assert_eq!(places.take(a).unwrap_err(), Full::Source);
        let _third = places.take(b).unwrap();
        assert_eq!(places.take(b).unwrap_err(), Full::All);
        drop(first);
        let again = places.take("::ffff:192.0.2.1".parse().unwrap()).unwrap();
        assert_eq!(again.source, a);
        let [c, d] = ["2001:db8::1", "2001:db8::2"].map(|text| network(text.parse().unwrap()));
        assert_eq!(c, d);
    }
}
