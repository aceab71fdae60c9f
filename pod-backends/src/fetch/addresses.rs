//! Which addresses are asked for scripts. Loopback and private networks are where people keep them; link-local
//! addresses and the clouds' metadata services hand out a machine's own credentials.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Metadata services outside the link-local ranges: Alibaba, Azure, Oracle; and the IPv6 one of AWS.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// Why an address is not asked, if it is not.
pub(super) fn refused_address(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) if address.is_link_local() => Some("it is a link-local address"),
        IpAddr::V4(address) if METADATA_V4.contains(&address) => Some("it is a cloud's metadata service"),
        IpAddr::V4(address) if address.is_multicast() || address.is_broadcast() => {
            Some("it is not one machine's address")
        }
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => match inner_v4(address) {
            Some(inner) => refused_address(IpAddr::V4(inner)),
            None if address.is_unicast_link_local() => Some("it is a link-local address"),
            None if METADATA_V6.contains(&address) => Some("it is a cloud's metadata service"),
            None if address.is_multicast() => Some("it is not one machine's address"),
            None => None,
        },
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped, compatible, translated (64:ff9b::/96) or 6to4.
fn inner_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, high, low] = address.segments();
    let last = || {
        let ([h1, h2], [l1, l2]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(h1, h2, l1, l2)
    };
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] | [0, 0, 0, 0, 0xffff, 0] => Some(last()),
        // ::/96, but not :: and ::1.
        [0, 0, 0, 0, 0, 0] if high != 0 => Some(last()),
        [0x2002, ..] => {
            let ([h1, h2], [l1, l2]) = (b.to_be_bytes(), c.to_be_bytes());
            Some(Ipv4Addr::new(h1, h2, l1, l2))
        }
        _ => None,
    }
}

/// Resolves names and checks what they resolve to. The connection is made to these very addresses, so a name that
/// changes between check and use gains nothing.
#[derive(Debug)]
pub(super) struct CheckedResolver;

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            check(name.as_str(), &found)?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// One bad address spoils the name: no honest one has both kinds.
fn check(name: &str, found: &[SocketAddr]) -> Result<(), String> {
    match found.iter().find_map(|address| Some((address.ip(), refused_address(address.ip())?))) {
        Some((address, reason)) => Err(format!("the name {name} leads to {address}, which is not asked: {reason}")),
        None if found.is_empty() => Err(format!("the name {name} leads to no address")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_and_metadata_addresses_are_refused_in_every_spelling() {
        for refused in [
            "169.254.169.254",
            "169.254.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "224.0.0.1",
            "255.255.255.255",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "ff02::1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "::ffff:0:169.254.169.254",
            "2002:a9fe:a9fe::1",
        ] {
            assert!(refused_address(refused.parse().unwrap()).is_some(), "{refused}");
        }
        for fine in ["127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "8.8.8.8", "::1", "fd00::1", "2606:4700::1"]
        {
            assert!(refused_address(fine.parse().unwrap()).is_none(), "{fine}");
        }
    }

    #[test]
    fn a_name_that_also_leads_to_metadata_is_refused() {
        let addresses =
            |texts: &[&str]| -> Vec<SocketAddr> { texts.iter().map(|text| text.parse().unwrap()).collect() };
        assert!(check("a", &addresses(&["127.0.0.1:0", "[::1]:0"])).is_ok());
        let error = check("evil.example", &addresses(&["127.0.0.1:0", "169.254.169.254:0"])).unwrap_err();
        assert!(error.contains("evil.example leads to 169.254.169.254"), "{error}");
        assert!(check("a", &[]).is_err());
    }
}
