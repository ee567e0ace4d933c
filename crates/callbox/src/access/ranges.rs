//! Many ranges at once, in an order in which one is found fast.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Range;

/// A set of addresses, from ranges: sorted and merged, so that 100,000 of them cost 17 comparisons an address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ranges {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl Ranges {
    pub(super) fn contains(&self, ip: IpAddr) -> bool {
        match ip.to_canonical() {
            IpAddr::V4(ip) => is_within(&self.v4, u32::from(ip)),
            IpAddr::V6(ip) => is_within(&self.v6, u128::from(ip)),
        }
    }
}

impl FromIterator<Range> for Ranges {
    fn from_iter<T: IntoIterator<Item = Range>>(ranges: T) -> Ranges {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for range in ranges {
            match range.net() {
                IpNet::V4(net) => v4.push((u32::from(net.network()), u32::from(net.broadcast()))),
                IpNet::V6(net) => v6.push((u128::from(net.network()), u128::from(net.broadcast()))),
            }
        }
        Ranges { v4: merged(v4), v6: merged(v6) }
    }
}

/// Sorts, and makes one of those that overlap. Ranges with a prefix either hold one another or have nothing in common,
/// but that is not relied on.
fn merged<N: Ord + Copy>(mut pieces: Vec<(N, N)>) -> Vec<(N, N)> {
    pieces.sort_unstable();
    let mut merged: Vec<(N, N)> = Vec::with_capacity(pieces.len());
    for (first, last) in pieces {
        match merged.last_mut() {
            Some(before) if first <= before.1 => before.1 = before.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    merged.shrink_to_fit();
    merged
}

/// Tells whether a number is in one of the pieces, which are sorted and apart.
fn is_within<N: Ord + Copy>(pieces: &[(N, N)], number: N) -> bool {
    let behind = pieces.partition_point(|(first, _)| *first <= number);
    behind > 0 && number <= pieces[behind - 1].1
}
