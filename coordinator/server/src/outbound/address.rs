//! Which hosts and addresses tasks may call. By default none that is private: a task must not reach what only the
//! coordinator can (a cloud's metadata service, the network behind it).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::{IpNet, Ipv6Net};

use crate::config::outbound::Http;

/// Addresses that are nobody's on the Internet (IANA's registries of special-purpose addresses), and multicast.
const SPECIAL: [&str; 31] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/128",
    "::1/128",
    "64:ff9b:1::/48",
    "100::/64",
    "100:0:0:1::/64",
    // Teredo, whose embedded addresses are obfuscated, with the protocol assignments around it.
    "2001::/23",
    "2001:db8::/32",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
    // Translated addresses of a network's own: nobody knows what is behind them.
    "::ffff:0:0:0/96",
    // The metadata services of clouds, which stand in ranges above too.
    "fd00:ec2::/32",
    "168.63.129.16/32",
];

static SPECIAL_NETS: LazyLock<Vec<IpNet>> = LazyLock::new(|| {
    let nets = SPECIAL.iter().map(|net| net.parse());
    nets.collect::<Result<_, _>>()
        .expect("the table of special addresses is tested")
});

/// The rules of one installation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    private: bool,
    allow: Vec<IpNet>,
    deny: Vec<IpNet>,
    allow_hosts: Vec<String>,
    deny_hosts: Vec<String>,
}

/// Why something is not called. The text says which setting it is, and nothing of what a name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("The host is or leads to a private address, which this installation does not call.")]
    Private,
    #[error("The host is or leads to an address that this installation does not call.")]
    Denied,
    #[error("This installation does not call this host.")]
    Host,
    #[error("This installation does not call http:// endpoints, but https:// ones.")]
    Plain,
}

impl Rules {
    pub(crate) fn of(http: &Http) -> Self {
        Self {
            private: http.private_addresses,
            allow: http.allow_addresses.clone(),
            deny: http.deny_addresses.clone(),
            allow_hosts: http.allow_hosts.clone(),
            deny_hosts: http.deny_hosts.clone(),
        }
    }

    /// Judges a host as it is named.
    pub(crate) fn check_host(&self, host: &str) -> Result<(), Refused> {
        let is_allowed = self.allow_hosts.is_empty() || is_one_of(&self.allow_hosts, host);
        if is_allowed && !is_one_of(&self.deny_hosts, host) {
            Ok(())
        } else {
            Err(Refused::Host)
        }
    }

    /// Judges an address that is about to be connected to. Those that stand for others are judged as these, too.
    pub(super) fn check(&self, address: IpAddr) -> Result<(), Refused> {
        let stands_for = embedded(address).map(IpAddr::V4);
        for address in stands_for.into_iter().chain([address.to_canonical()]) {
            let within = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&address));
            if within(&self.deny) {
                return Err(Refused::Denied);
            }
            if !self.private && within(&SPECIAL_NETS) && !within(&self.allow) {
                return Err(Refused::Private);
            }
        }
        Ok(())
    }
}

/// Whether a host is named by a list of hosts and families of hosts. Case and a final dot make no difference.
pub(crate) fn is_one_of(list: &[String], host: &str) -> bool {
    let plain = |host: &str| host.trim_end_matches('.').to_ascii_lowercase();
    let host = plain(host);
    list.iter().any(|entry| {
        let entry = plain(entry);
        match entry.strip_prefix('*') {
            Some(family) => host.ends_with(family) && host.len() > family.len(),
            None => host == entry,
        }
    })
}

/// The IPv4 address that an IPv6 one leads to: compatible, NAT64 and 6to4 ones. Mapped ones are IPv4 already.
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else {
        return None;
    };
    if address.is_loopback() || address.is_unspecified() {
        return None;
    }
    let octets = address.octets();
    let at = |start: usize| {
        Ipv4Addr::new(
            octets[start],
            octets[start + 1],
            octets[start + 2],
            octets[start + 3],
        )
    };
    let within =
        |net: Ipv6Addr, bits: u8| Ipv6Net::new(net, bits).is_ok_and(|net| net.contains(&address));
    let nat64 = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0);
    let six_to_four = Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0);
    if within(six_to_four, 16) {
        Some(at(2))
    } else if within(nat64, 96) || within(Ipv6Addr::UNSPECIFIED, 96) {
        Some(at(12))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(rules: &Rules, address: &str) -> Result<(), Refused> {
        rules.check(address.parse().unwrap())
    }

    #[test]
    fn private_addresses_are_refused_in_every_disguise() {
        let rules = Rules::of(&Http::default());
        for address in [
            "127.0.0.1",
            "127.8.8.8",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:a9fe:a9fe::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "fd00:ec2::254",
            "fe80::1",
            "fc00::1",
            "ff02::1",
        ] {
            assert_eq!(judged(&rules, address), Err(Refused::Private), "{address}");
        }
        for address in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
        ] {
            assert_eq!(judged(&rules, address), Ok(()), "{address}");
        }
    }

    #[test]
    fn settings_allow_private_addresses_and_deny_any() {
        let rules = Rules::of(&Http {
            allow_addresses: vec!["10.1.0.0/16".parse().unwrap()],
            deny_addresses: vec![
                "10.1.2.0/24".parse().unwrap(),
                "9.9.9.9/32".parse().unwrap(),
            ],
            ..Http::default()
        });
        assert_eq!(judged(&rules, "10.1.1.1"), Ok(()));
        assert_eq!(judged(&rules, "::ffff:10.1.1.1"), Ok(()));
        assert_eq!(judged(&rules, "10.2.1.1"), Err(Refused::Private));
        assert_eq!(judged(&rules, "10.1.2.1"), Err(Refused::Denied));
        assert_eq!(judged(&rules, "64:ff9b::9.9.9.9"), Err(Refused::Denied));
        let open = Rules::of(&Http {
            private_addresses: true,
            deny_addresses: vec!["169.254.0.0/16".parse().unwrap()],
            ..Http::default()
        });
        assert_eq!(judged(&open, "127.0.0.1"), Ok(()));
        assert_eq!(
            judged(&open, "::ffff:169.254.169.254"),
            Err(Refused::Denied)
        );
    }

    #[test]
    fn hosts_are_named_alone_or_by_family() {
        let rules = Rules::of(&Http {
            allow_hosts: vec!["api.example.com".to_owned(), "*.internal".to_owned()],
            deny_hosts: vec!["secret.internal".to_owned()],
            ..Http::default()
        });
        for (host, expect) in [
            ("API.example.com", Ok(())),
            ("api.example.com.", Ok(())),
            ("a.b.internal", Ok(())),
            (".internal", Err(Refused::Host)),
            ("example.com", Err(Refused::Host)),
            ("evilapi.example.com", Err(Refused::Host)),
            ("Secret.Internal.", Err(Refused::Host)),
        ] {
            assert_eq!(rules.check_host(host), expect, "{host}");
        }
    }
}
