//! An invitation as text: what one person reads out or sends to another.
//!
//! ```text
//! kith: + base32 of | v (1) | seed (32) | anchor (16) | by (8) | expires (4) | n (1) | n addresses | check (4) |
//! address = | kind (1) | ip (4 or 16) or length (1) and name | port (2) |
//! ```
//!
//! Base32 is Crockford's, lower case; capitals are read too, and O, I, L as 0, 1, 1, for it may be read
//! out. Numbers are big-endian. The seed is a secret that lets one person in. The anchor binds the
//! link to its group without naming it. At most 400 characters.

use std::net::{Ipv4Addr, Ipv6Addr};

use data_encoding::{Encoding, Specification};
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::address::Addr;
use crate::encoding::Text;
use crate::error::JoinError;
use crate::ids::GroupId;
use crate::kdf::{Label, first, kdf, mac, same};
use crate::keys::{Sig, draw, ed25519_public};
use crate::limits::{INVITE_ADDRS_MAX, INVITE_LINK_MAX, VERSION};

const SCHEME: &str = "kith:";
const CHECK_LEN: usize = 4;

/// A bearer secret: whoever holds it may join once, until it ends.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Invitation {
    seed: [u8; 32],
    anchor: [u8; 16],
    by: [u8; 8],
    /// Until when, in whole minutes since 1970; valid while it is not greater than this.
    pub expires: u32,
    /// Where the group could be reached when the link was made.
    #[zeroize(skip)]
    pub addrs: Vec<Addr>,
}

impl core::fmt::Debug for Invitation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Invitation(..)")
    }
}

impl Invitation {
    /// Draws a new one for a group, by a member with this identity key.
    #[must_use]
    pub fn new(
        group: &GroupId,
        inviter_ik: &[u8; 32],
        expires: u32,
        addrs: &[Addr],
        rng: &mut impl CryptoRng,
    ) -> Self {
        let seed = draw(rng);
        Self {
            seed,
            anchor: first(&mac(&kdf(Label::InvAnchor, &[&seed]), &[&group.0])),
            by: first(&mac(&kdf(Label::InvBy, &[&seed]), &[inviter_ik])),
            expires,
            addrs: addrs.iter().take(INVITE_ADDRS_MAX).cloned().collect(),
        }
    }

    /// Key of the join handshake.
    #[must_use]
    pub fn join_psk(&self) -> [u8; 32] {
        kdf(Label::InvPsk, &[&self.seed])
    }

    /// Where the admitters are looked for.
    #[must_use]
    pub fn disc(&self) -> [u8; 32] {
        kdf(Label::InvDisc, &[&self.seed])
    }

    /// The public key that stands in the Invite op.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        ed25519_public(&kdf(Label::InvSign, &[&self.seed]))
    }

    /// Signs with the invitation's own key.
    #[must_use]
    pub(crate) fn sign(&self, parts: &[&[u8]]) -> Sig {
        Sig::sign(&kdf(Label::InvSign, &[&self.seed]), Label::AddSig, parts)
    }

    /// Whether this invitation is one to that group.
    #[must_use]
    pub fn is_to(&self, group: &GroupId) -> bool {
        let anchor = mac(&kdf(Label::InvAnchor, &[&self.seed]), &[&group.0]);
        same(&self.anchor, &first::<16>(&anchor))
    }

    /// Whether this invitation was made by whoever has that identity key.
    #[must_use]
    pub(crate) fn is_by(&self, inviter_ik: &[u8; 32]) -> bool {
        let by = mac(&kdf(Label::InvBy, &[&self.seed]), &[inviter_ik]);
        same(&self.by, &first::<8>(&by))
    }

    /// The link.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.seed);
        bytes.extend_from_slice(&self.anchor);
        bytes.extend_from_slice(&self.by);
        bytes.extend_from_slice(&self.expires.to_be_bytes());
        bytes.push(u8::try_from(self.addrs.len()).unwrap_or(0));
        self.addrs.iter().for_each(|addr| write_addr(&mut bytes, addr));
        let check = kdf(Label::LinkCheck, &[&bytes]);
        bytes.extend_from_slice(&first::<CHECK_LEN>(&check));
        let text = base32().map(|base32| base32.encode(&bytes)).unwrap_or_default();
        format!("{SCHEME}{text}")
    }

    /// Reads a link. White space around it does not matter.
    ///
    /// # Errors
    /// [`JoinError::Unreadable`] for everything that is no whole link; whoever made it controls it.
    pub fn from_text(text: &str) -> Result<Self, JoinError> {
        let text = text.trim();
        if text.len() > INVITE_LINK_MAX {
            return Err(JoinError::Unreadable);
        }
        let (scheme, code) = text.split_once(':').ok_or(JoinError::Unreadable)?;
        if !scheme.eq_ignore_ascii_case("kith") {
            return Err(JoinError::Unreadable);
        }
        let bytes = base32()
            .and_then(|base32| base32.decode(code.as_bytes()).ok())
            .ok_or(JoinError::Unreadable)?;
        Self::from_bytes(&bytes).ok_or(JoinError::Unreadable)
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (body, check) = bytes.split_last_chunk::<CHECK_LEN>()?;
        if !same(check, &first::<CHECK_LEN>(&kdf(Label::LinkCheck, &[body]))) {
            return None;
        }
        let ([VERSION], rest) = body.split_first_chunk::<1>()? else { return None };
        let (seed, rest) = rest.split_first_chunk::<32>()?;
        let (anchor, rest) = rest.split_first_chunk::<16>()?;
        let (by, rest) = rest.split_first_chunk::<8>()?;
        let (expires, rest) = rest.split_first_chunk::<4>()?;
        let (count, mut rest) = rest.split_first()?;
        if usize::from(*count) > INVITE_ADDRS_MAX {
            return None;
        }
        let mut addrs = Vec::new();
        for _ in 0..*count {
            let (addr, after) = read_addr(rest)?;
            addrs.push(addr);
            rest = after;
        }
        let expires = u32::from_be_bytes(*expires);
        rest.is_empty().then_some(Self { seed: *seed, anchor: *anchor, by: *by, expires, addrs })
    }
}

/// Crockford's base32: no padding, no checksum; the link has its own.
fn base32() -> Option<Encoding> {
    let mut spec = Specification::new();
    spec.symbols.push_str("0123456789abcdefghjkmnpqrstvwxyz");
    spec.translate.from.push_str("ABCDEFGHJKMNPQRSTVWXYZoOiIlL");
    spec.translate.to.push_str("abcdefghjkmnpqrstvwxyz001111");
    spec.ignore.push_str("- ");
    spec.encoding().ok()
}

fn write_addr(out: &mut Vec<u8>, addr: &Addr) {
    let (kind, place, port): (u8, Vec<u8>, u16) = match addr {
        Addr::Tcp4(ip, port) => (0, ip.to_vec(), *port),
        Addr::Quic4(ip, port) => (1, ip.to_vec(), *port),
        Addr::Tcp6(ip, port) => (2, ip.to_vec(), *port),
        Addr::Quic6(ip, port) => (3, ip.to_vec(), *port),
        Addr::Dns(name, port) => (4, name_bytes(name), *port),
        Addr::MeetingPoint(name, port) => (5, name_bytes(name), *port),
    };
    out.push(kind);
    out.extend_from_slice(&place);
    out.extend_from_slice(&port.to_be_bytes());
}

fn name_bytes(name: &str) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(name.len()).unwrap_or(0)];
    bytes.extend_from_slice(name.as_bytes());
    bytes
}

fn read_addr(bytes: &[u8]) -> Option<(Addr, &[u8])> {
    let (kind, rest) = bytes.split_first()?;
    let port_after = |rest: &[u8]| rest.first_chunk::<2>().map(|port| u16::from_be_bytes(*port));
    let skip_port = |rest| <[u8]>::get(rest, 2..);
    match *kind {
        0 | 1 => {
            let (ip, rest) = rest.split_first_chunk::<4>()?;
            let port = port_after(rest)?;
            let addr = if *kind == 0 { Addr::Tcp4(*ip, port) } else { Addr::Quic4(*ip, port) };
            Some((addr, skip_port(rest)?))
        }
        2 | 3 => {
            let (ip, rest) = rest.split_first_chunk::<16>()?;
            let port = port_after(rest)?;
            let addr = if *kind == 2 { Addr::Tcp6(*ip, port) } else { Addr::Quic6(*ip, port) };
            Some((addr, skip_port(rest)?))
        }
        4 | 5 => {
            let (len, rest) = rest.split_first()?;
            let (name, rest) = rest.split_at_checked(usize::from(*len))?;
            let name = Text::new(core::str::from_utf8(name).ok()?)?;
            let port = port_after(rest)?;
            let addr =
                if *kind == 4 { Addr::Dns(name, port) } else { Addr::MeetingPoint(name, port) };
            Some((addr, skip_port(rest)?))
        }
        _ => None,
    }
}

impl Addr {
    /// Whether it only leads back to the same machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Tcp4(ip, _) | Self::Quic4(ip, _) => Ipv4Addr::from(*ip).is_loopback(),
            Self::Tcp6(ip, _) | Self::Quic6(ip, _) => Ipv6Addr::from(*ip).is_loopback(),
            Self::Dns(name, _) | Self::MeetingPoint(name, _) => {
                name.eq_ignore_ascii_case("localhost")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha12Rng;
    use rand_core::SeedableRng as _;

    fn invitation() -> Invitation {
        let mut rng = ChaCha12Rng::seed_from_u64(3);
        let addrs = [
            Addr::Tcp4([127, 0, 0, 1], 4001),
            Addr::Quic6([7; 16], 9),
            Addr::Dns(Text::new("kith.example").unwrap(), 443),
        ];
        Invitation::new(&GroupId([1; 32]), &[2; 32], 30_000_000, &addrs, &mut rng)
    }

    #[test]
    fn a_link_reads_back_as_it_was_made_also_aloud() {
        let link = invitation().to_text();
        assert!(link.len() <= INVITE_LINK_MAX, "{} characters", link.len());
        assert_eq!(Invitation::from_text(&link), Ok(invitation()));
        assert_eq!(
            Invitation::from_text(&format!("  {}\n", link.to_uppercase())),
            Ok(invitation())
        );
        let aloud = link.replace('1', "l").replace('0', "o");
        assert_eq!(Invitation::from_text(&aloud), Ok(invitation()));
    }

    #[test]
    fn a_link_that_is_not_whole_is_unreadable() {
        let link = invitation().to_text();
        let mut wrong = vec![
            String::new(),
            "kith:".into(),
            "kith:AAAA".into(),
            format!("{link}x"),
            "https://example.org/".into(),
            format!("kith:{}", "z".repeat(100_000)),
            link.replacen("kith:", "kiss:", 1),
            "kith:\u{1f600}".into(),
        ];
        wrong.extend((0..link.len()).map(|len| link[..len].to_owned()));
        for (at, old) in link.char_indices().skip(SCHEME.len()) {
            let new = if old == 'z' { 'y' } else { 'z' };
            let mut changed = link.clone();
            changed.replace_range(at..=at, &new.to_string());
            wrong.push(changed);
        }
        for text in wrong {
            assert_eq!(Invitation::from_text(&text), Err(JoinError::Unreadable), "{text:.40}");
        }
    }

    #[test]
    fn what_leads_back_to_the_same_machine_is_told_from_what_leads_elsewhere() {
        let name = |name: &str| Text::new(name).unwrap();
        let home = Ipv6Addr::LOCALHOST.octets();
        for addr in [Addr::Tcp4([127, 0, 0, 1], 1), Addr::Quic4([127, 9, 0, 1], 1)] {
            assert!(addr.is_loopback(), "{addr:?}");
        }
        for addr in [Addr::Tcp6(home, 1), Addr::Quic6(home, 1), Addr::Dns(name("LocalHost"), 1)] {
            assert!(addr.is_loopback(), "{addr:?}");
        }
        for addr in [
            Addr::Tcp4([10, 0, 0, 1], 1),
            Addr::Quic6([7; 16], 1),
            Addr::Dns(name("kith.example"), 1),
            Addr::MeetingPoint(name("kith.example"), 1),
        ] {
            assert!(!addr.is_loopback(), "{addr:?}");
        }
    }

    #[test]
    fn a_link_is_to_one_group() {
        assert!(invitation().is_to(&GroupId([1; 32])));
        assert!(!invitation().is_to(&GroupId([2; 32])));
    }
}
