//! Which addresses are asked for scripts. Loopback and private networks are where people keep them; link-local
//! addresses and the clouds' metadata services hand out a machine's own credentials; and what the registries of special
//! addresses list beside is nobody's server, or leads to an address that is written within it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

const METADATA: &str = "it is a cloud's metadata service";
const LINK_LOCAL: &str = "it is a link-local address";
const SHARED: &str = "it is an address between a provider and its customers";
const PROTOCOLS: &str = "it is set aside for protocols";
const EXAMPLES: &str = "it is set aside for examples";
const MEASURING: &str = "it is set aside for measurements";
const SINK: &str = "it is where queries without an answer are sent";
const RESERVED: &str = "it is no address of a machine";
const MANY: &str = "it is not one machine's address";
const TRANSLATED: &str = "it stands for another address, and it cannot be told for which";

/// What is not asked: the IPv4 registry of special addresses but loopback and private networks, multicast, and metadata
/// services outside the link-local range (Azure; Alibaba's and Oracle's are in ranges of the registry).
const V4: &[(Ipv4Addr, u32, &str)] = &[
    (Ipv4Addr::new(100, 100, 100, 200), 32, METADATA),
    (Ipv4Addr::new(168, 63, 129, 16), 32, METADATA),
    (Ipv4Addr::new(192, 0, 0, 192), 32, METADATA),
    (Ipv4Addr::new(169, 254, 0, 0), 16, LINK_LOCAL),
    (Ipv4Addr::new(0, 0, 0, 0), 8, RESERVED),
    (Ipv4Addr::new(100, 64, 0, 0), 10, SHARED),
    (Ipv4Addr::new(192, 0, 0, 0), 24, PROTOCOLS),
    (Ipv4Addr::new(192, 0, 2, 0), 24, EXAMPLES),
    (Ipv4Addr::new(192, 31, 196, 0), 24, SINK),
    (Ipv4Addr::new(192, 52, 193, 0), 24, PROTOCOLS),
    (Ipv4Addr::new(192, 88, 99, 0), 24, PROTOCOLS),
    (Ipv4Addr::new(192, 175, 48, 0), 24, SINK),
    (Ipv4Addr::new(198, 18, 0, 0), 15, MEASURING),
    (Ipv4Addr::new(198, 51, 100, 0), 24, EXAMPLES),
    (Ipv4Addr::new(203, 0, 113, 0), 24, EXAMPLES),
    (Ipv4Addr::new(224, 0, 0, 0), 4, MANY),
    (Ipv4Addr::BROADCAST, 32, MANY),
    (Ipv4Addr::new(240, 0, 0, 0), 4, RESERVED),
];

/// The same of IPv6 (metadata services of AWS, Google, Oracle and Scaleway). What stands for an IPv4 address is in
/// [`inner_v4`] where it can be told for which.
const V6: &[(Ipv6Addr, u32, &str)] = &[
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32, METADATA),
    (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254), 128, METADATA),
    (Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe), 128, METADATA),
    (Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42), 128, METADATA),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, LINK_LOCAL),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, RESERVED),
    // Loopback is let through before. The rest stood for IPv4 addresses once.
    (Ipv6Addr::UNSPECIFIED, 96, RESERVED),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, TRANSLATED),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 63, RESERVED),
    // Teredo and what else the IETF assigned, for measuring, tunnels and keys.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, PROTOCOLS),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, EXAMPLES),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, TRANSLATED),
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48, SINK),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, EXAMPLES),
    (Ipv6Addr::new(0x5f00, 0, 0, 0, 0, 0, 0, 0), 16, PROTOCOLS),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, MANY),
];

/// Why an address is not asked, if it is not.
pub(super) fn refused_address(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => V4.iter().find_map(|(start, length, why)| {
            (((address.to_bits() ^ start.to_bits()) >> (32 - length)) == 0).then_some(*why)
        }),
        IpAddr::V6(Ipv6Addr::LOCALHOST) => None,
        IpAddr::V6(address) => match inner_v4(address) {
            Some(inner) => refused_address(IpAddr::V4(inner)),
            None => V6.iter().find_map(|(start, length, why)| {
                (((address.to_bits() ^ start.to_bits()) >> (128 - length)) == 0).then_some(*why)
            }),
        },
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped, or translated in one of the ways that are the same
/// everywhere, on which networks without IPv4 reach all others.
fn inner_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [rest @ .., high, low] = address.segments();
    let translated = matches!(rest, [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] | [0, 0, 0, 0, 0xffff, 0]);
    translated.then(|| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
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
    fn special_addresses_are_refused_in_every_spelling() {
        for (refused, why) in [
            ("169.254.169.254", LINK_LOCAL),
            ("169.254.0.1", LINK_LOCAL),
            ("100.100.100.200", METADATA),
            ("168.63.129.16", METADATA),
            ("192.0.0.192", METADATA),
            ("0.0.0.0", RESERVED),
            ("0.255.255.255", RESERVED),
            ("100.64.0.1", SHARED),
            ("100.127.255.255", SHARED),
            ("192.0.0.8", PROTOCOLS),
            ("192.0.2.1", EXAMPLES),
            ("192.31.196.1", SINK),
            ("192.52.193.1", PROTOCOLS),
            ("192.88.99.1", PROTOCOLS),
            ("192.175.48.1", SINK),
            ("198.18.0.1", MEASURING),
            ("198.19.255.255", MEASURING),
            ("198.51.100.1", EXAMPLES),
            ("203.0.113.1", EXAMPLES),
            ("224.0.0.1", MANY),
            ("239.255.255.255", MANY),
            ("240.0.0.1", RESERVED),
            ("255.255.255.255", MANY),
            ("::", RESERVED),
            ("::2", RESERVED),
            ("fe80::1", LINK_LOCAL),
            ("febf::1", LINK_LOCAL),
            ("fec0::1", RESERVED),
            ("fd00:ec2::254", METADATA),
            ("fd00:ec2::253", METADATA),
            ("fd20:ce::254", METADATA),
            ("fd00:c1::a9fe:a9fe", METADATA),
            ("fd00:42::42", METADATA),
            ("ff02::1", MANY),
            ("::ffff:169.254.169.254", LINK_LOCAL),
            ("::ffff:203.0.113.1", EXAMPLES),
            ("::169.254.169.254", RESERVED),
            ("::127.0.0.1", RESERVED),
            ("64:ff9b::a9fe:a9fe", LINK_LOCAL),
            ("64:ff9b::100.100.100.200", METADATA),
            ("64:ff9b:1::a9fe:a9fe", TRANSLATED),
            ("64:ff9b:1:a9fe:a9:fe00::", TRANSLATED),
            ("64:ff9b:1::8.8.8.8", TRANSLATED),
            ("::ffff:0:169.254.169.254", LINK_LOCAL),
            ("2002:a9fe:a9fe::1", TRANSLATED),
            ("2002:808:808::1", TRANSLATED),
            ("2001::1", PROTOCOLS),
            ("2001:0:4136:e378:8000:63bf:5601:5601", PROTOCOLS),
            ("2001:2::1", PROTOCOLS),
            ("2001:20::1", PROTOCOLS),
            ("2001:1ff:ffff::1", PROTOCOLS),
            ("2001:db8::1", EXAMPLES),
            ("3fff::1", EXAMPLES),
            ("3fff:fff::1", EXAMPLES),
            ("5f00::1", PROTOCOLS),
            ("100::1", RESERVED),
            ("100:0:0:1::1", RESERVED),
            ("2620:4f:8000::1", SINK),
        ] {
            assert_eq!(refused_address(refused.parse().unwrap()), Some(why), "{refused}");
        }
    }

    #[test]
    fn loopback_private_and_public_addresses_are_asked() {
        for fine in [
            "127.0.0.1",
            "127.255.255.254",
            "10.0.0.1",
            "192.168.1.1",
            "172.16.0.1",
            "172.31.255.255",
            "8.8.8.8",
            "1.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "223.255.255.255",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "fd00::1",
            "fc00::1",
            "fdff::1",
            "2606:4700::1",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2003::1",
            "3ffe::1",
            "64:ff9b::8.8.8.8",
            "64:ff9b::10.0.0.1",
        ] {
            assert_eq!(refused_address(fine.parse().unwrap()), None, "{fine}");
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
