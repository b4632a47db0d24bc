//! Every bound of the protocol in one place (docs/protocol.md, "Limits").
//!
//! A bound is checked before anything is allocated for what it bounds; all sizes are in bytes.

/// Version of ops, entries, links and joins that this build speaks.
pub const VERSION: u8 = 1;
/// Suite 1: Ed25519, X25519, BLAKE3, Noise with ChaCha20-Poly1305 and BLAKE2s.
pub const SUITE: u8 = 1;

/// Header of a control op.
pub const OP_HEADER_MAX: usize = 1024;
/// Body of a control op.
pub const OP_BODY_MAX: usize = 32 * 1024;
/// Body of an op of the smaller kinds; which those are, `control/op.rs` says.
pub const OP_BODY_SMALL: usize = 1024;
/// Heads that an op names.
pub const OP_DEPS_MAX: usize = 16;
/// Heads above which a Merge is due.
pub const HEADS_BEFORE_MERGE: usize = 8;
/// How long each member waits before its own Merge, times its rank, in milliseconds.
pub const MERGE_STEP_MS: u64 = 10_000;
/// Members who may admit with one invitation.
pub const ADMITTERS_MAX: usize = 32;

/// Header of an entry: sixteen op heads, eight deps and the fixed fields.
pub const ENTRY_HEADER_MAX: usize = 1536;
/// Entries that an entry names beside its own predecessor.
pub const ENTRY_DEPS_MAX: usize = 8;
/// A text that a person writes, in bytes of UTF-8.
pub const TEXT_MAX: usize = 65_536;
/// Entries that one message is made of: its first words, and every edit of them.
pub const VERSIONS_MAX: usize = 16;
/// A payload with its padding.
pub const PAYLOAD_MAX: usize = 72 * 1024 + 1024;

/// A group's name, in bytes of UTF-8.
pub const NAME_MAX: usize = 256;
/// Why a group meets.
pub const REASON_MAX: usize = 4096;
/// What a group agreed on.
pub const AGREEMENT_MAX: usize = 16 * 1024;
/// The name someone bears in a group.
pub const PSEUDONYM_MAX: usize = 128;

/// How often a newer card of one member is taken in, in milliseconds.
pub const CARD_EVERY_MS: u64 = 5_000;
/// Addresses in a card.
pub const CARD_ADDRS_MAX: usize = 8;
/// Addresses in an invitation link.
pub const INVITE_ADDRS_MAX: usize = 4;
/// An invitation link as text.
pub const INVITE_LINK_MAX: usize = 400;
/// Length of a host name in an address.
pub const HOST_MAX: usize = 120;

/// Hints in a link's first message, in groups of up to as many others.
pub const HINTS: usize = 64;
/// Hints in a link's first message, in larger groups.
pub const HINTS_LARGE: usize = 512;
/// One Noise message (Noise spec, section 3).
pub const NOISE_MAX: usize = 65_535;
/// The plaintext of the largest frame: a Noise message without its tag.
pub const FRAME_PLAIN_MAX: usize = NOISE_MAX - 16;
/// Frame plaintexts are padded to one of these sizes.
pub const FRAME_SIZES: [usize; 8] = [256, 1024, 2048, 4096, 8192, 16_384, 32_768, FRAME_PLAIN_MAX];
/// A link message before it is cut into frames.
pub const LINK_MSG_MAX: usize = 128 * 1024;
/// Frames after which a direction's key is renewed.
pub const REKEY_EVERY: u64 = 1 << 16;
/// Ops in one link message.
pub const BATCH_OPS_MAX: usize = 256;
/// Entries in one link message.
pub const BATCH_ENTRIES_MAX: usize = 256;
/// Bytes of entries after which a batch is full. One entry may go over it.
pub const BATCH_BYTES: usize = 64 * 1024;
/// Wants of one link that may be open at once.
pub const SERVING_MAX: usize = 4;
/// Heads and ancestors named in one exchange of heads.
pub const HEADS_MAX: usize = 64;
/// Ranges asked for at once.
pub const RANGES_MAX: usize = 64;
/// Tips in one frontier message.
pub const TIPS_MAX: usize = 512;
/// Entries advertised or asked for by id at once.
pub const IDS_MAX: usize = 256;

/// How far ahead of our clock an op or entry may be before it waits, in milliseconds.
pub const FUTURE_MS: u64 = 10 * 60 * 1000;
/// How long before its end by our clock an entry may come without its body, in milliseconds.
pub const ENDED_SLACK_MS: u64 = 24 * 60 * 60 * 1000;
/// Ops and entries that wait for ops we lack, in all and over all links.
pub const PARKED_MAX: usize = 1000;
/// Bytes of ops and entries that wait.
pub const PARKED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What waits of one author whose signature holds, and what waits of one link besides.
pub const PARKED_EACH_MAX: usize = 64;
/// How long anything waits, in milliseconds: seven days.
pub const PARKED_MS: u64 = 7 * 24 * 3600 * 1000;
/// A handshake, of a link or a join, must end within this.
pub const HANDSHAKE_MS: u64 = 10_000;
/// From a newcomer's first message to their keys: reading the agreement takes time.
pub const JOIN_READING_MS: u64 = 10 * 60 * 1000;
/// Joins that may be under way at once.
pub const JOINS_MAX: usize = 16;
/// Joins for which invitations are tried in any second: of anyone, and of one peer.
pub const JOINS_PER_SECOND: u32 = 100;
/// See [`JOINS_PER_SECOND`].
pub const JOINS_PER_PEER: u32 = 4;
/// Streams that may be open at once, of members or of strangers.
pub const LINKS_MAX: usize = 1024;
/// Accepted links that may be opening at once, from one peer and in all.
pub const OPENINGS_PER_PEER: usize = 2;
/// See [`OPENINGS_PER_PEER`].
pub const OPENINGS_MAX: usize = 128;
/// A member who was asked for entries answers within this, or the link is closed.
pub const ASKED_MS: u64 = 20_000;
/// After this, what they were asked for may be asked for elsewhere.
pub const ASKED_ELSEWHERE_MS: u64 = 1_500;
/// Requests for ops that one link may make in a second.
pub const OPS_WANTS_PER_SECOND: u32 = 40;
/// Entries that one author may have under one number.
pub const BRANCHES_MAX: usize = 4;
/// Numbers of one author's chain that are marked: several stand there, or one that breaks a rule.
pub const FORKS_MAX: usize = 64;
/// Entries of one author whose bodies are known to be gone before they came.
pub const GONE_MAX: usize = 1024;
/// Entries of one author that are taken in at once, and bytes of them; beyond, the author's entries come
/// after everyone else's.
pub const BURST_ENTRIES: u64 = 2000;
/// See [`BURST_ENTRIES`].
pub const BURST_BYTES: u64 = 8 * 1024 * 1024;
/// By how much both are refilled in an hour.
pub const HOURLY_ENTRIES: u64 = 600;
/// See [`HOURLY_ENTRIES`].
pub const HOURLY_BYTES: u64 = 16 * 1024 * 1024;
/// How often members compare what they hold while something is missing, in milliseconds, and by how
/// much that varies in either direction.
pub const COMPARE_MS: u64 = 60_000;
/// See [`COMPARE_MS`].
pub const COMPARE_JITTER_MS: u64 = 20_000;
/// Entries beside those that come which are read to judge them, and their bytes.
pub const AROUND_MAX: usize = 4 * BATCH_ENTRIES_MAX;
/// See [`AROUND_MAX`].
pub const AROUND_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How far our clock may be from most others' before we make no op, in minutes.
pub const CLOCK_OFF_MINUTES: i64 = 5;
/// How long to wait before telling of an entry, in milliseconds, and by how much more by chance.
pub const TELL_MS: u64 = 50;
/// See [`TELL_MS`].
pub const TELL_JITTER_MS: u64 = 200;
/// Links over which a member tells of an entry that came from someone else.
pub const TELL_MAX: usize = 6;
/// Links of one member that are taken in a minute: each is told to whoever listens, up and down, and kept.
pub const LINKS_PER_MINUTE: u32 = 60;
/// How often a Frontier is answered over one link, in milliseconds: what comes sooner is answered together.
pub const ANSWER_EVERY_MS: u64 = 250;
/// An author hears within this, in milliseconds, that their entries were taken in.
pub const ACK_MS: u64 = 1000;
/// Groups of up to so many others are linked each with each.
pub const FULL_MESH_MAX: usize = 64;
/// Members whom each dials in a larger group: with those who dial them, each has some 24 links.
pub const MESH_DIALS: usize = 12;
/// How long someone who came has to wait for an automatic welcome, in milliseconds: seven days.
pub const WELCOME_AFTER_MS: u64 = 7 * 24 * 3600 * 1000;
/// How long whoever leaves waits for each of the others to say that they heard, in milliseconds.
pub const FAREWELL_MS: u64 = 10_000;
/// How long someone who left goes on telling those who were away, in milliseconds: fourteen days.
pub const LEAVE_TOLD_MS: u64 = 14 * 24 * 3600 * 1000;
/// Automatic welcomes for newcomers of one sponsor within seven days.
pub const WELCOMES_PER_SPONSOR: usize = 2;
/// Parts into which what is held of one chain may fall.
pub const HELD_RANGES_MAX: usize = 256;
/// Bytes of ops that a newcomer takes before they can be checked.
pub const JOIN_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How often a keep-alive is sent, in milliseconds, whatever else is said.
pub const PING_MS: u64 = 30_000;
/// Silence after which a link is closed, in milliseconds.
pub const SILENT_MS: u64 = 75_000;
/// Own messages that wait to be signed: before the first catch-up of a run has ended.
pub const OUTBOX_MAX: usize = 1000;
/// Ops by one author within a day of their own clock.
pub const OPS_PER_DAY_MAX: usize = 60;
/// Prekeys and subkeys among them.
pub const KEY_OPS_PER_DAY_MAX: usize = 4;
/// Bytes of their bodies.
pub const OP_BYTES_PER_DAY_MAX: usize = 64 * 1024;
/// Adds by one author within seven days, whatever the group's own parameter says.
pub const ADDS_PER_WEEK_MAX: u16 = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    macro_rules! bounds {
        ($($name:ident),* $(,)?) => {
            BTreeMap::from([$((stringify!($name), u64::try_from($name).unwrap())),*])
        };
    }

    /// "1,024", "1.5 s", "10 min", "7 days" or "4 MiB": in milliseconds or bytes.
    fn read(value: &str) -> u64 {
        let value = value.trim().replace(',', "");
        let (number, unit) = value.split_once(' ').unwrap_or((&value, ""));
        let unit = match unit {
            "" | "ms" => 1,
            "s" => 1000,
            "min" => 60_000,
            "h" => 3_600_000,
            "days" => 86_400_000,
            "MiB" => 1_048_576,
            other => panic!("{other}"),
        };
        let (whole, tenths) = number.split_once('.').unwrap_or((number, "0"));
        let [whole, tenths] = [whole, tenths].map(|digits| digits.parse::<u64>().unwrap());
        whole * unit + tenths * unit / 10
    }

    #[test]
    fn every_bound_is_the_one_that_is_written_down() {
        let mut ours = bounds! {
            OP_HEADER_MAX, OP_BODY_MAX, OP_BODY_SMALL, OP_DEPS_MAX, HEADS_BEFORE_MERGE,
            MERGE_STEP_MS, ADMITTERS_MAX, ENTRY_HEADER_MAX, ENTRY_DEPS_MAX, TEXT_MAX, VERSIONS_MAX,
            PAYLOAD_MAX, NAME_MAX, REASON_MAX, AGREEMENT_MAX, PSEUDONYM_MAX, CARD_EVERY_MS,
            CARD_ADDRS_MAX, INVITE_ADDRS_MAX, INVITE_LINK_MAX, HOST_MAX, HINTS, HINTS_LARGE,
            NOISE_MAX, FRAME_PLAIN_MAX, LINK_MSG_MAX, REKEY_EVERY, BATCH_OPS_MAX,
            BATCH_ENTRIES_MAX, BATCH_BYTES, SERVING_MAX, HEADS_MAX, RANGES_MAX, TIPS_MAX, IDS_MAX,
            FUTURE_MS, ENDED_SLACK_MS, PARKED_MAX, PARKED_BYTES_MAX, PARKED_EACH_MAX, PARKED_MS,
            HANDSHAKE_MS, JOIN_READING_MS, JOINS_MAX, JOINS_PER_SECOND, LINKS_MAX,
            OPENINGS_PER_PEER, OPENINGS_MAX, ASKED_MS, ASKED_ELSEWHERE_MS, OPS_WANTS_PER_SECOND,
            BRANCHES_MAX, FORKS_MAX, GONE_MAX, BURST_ENTRIES, BURST_BYTES, HOURLY_ENTRIES,
            HOURLY_BYTES, COMPARE_MS, COMPARE_JITTER_MS, AROUND_MAX, AROUND_BYTES_MAX,
            CLOCK_OFF_MINUTES, TELL_MS, TELL_JITTER_MS, TELL_MAX, ACK_MS, FULL_MESH_MAX,
            MESH_DIALS, WELCOME_AFTER_MS, FAREWELL_MS, LEAVE_TOLD_MS, WELCOMES_PER_SPONSOR,
            HELD_RANGES_MAX, JOIN_BYTES_MAX, PING_MS, SILENT_MS, OUTBOX_MAX, OPS_PER_DAY_MAX,
            KEY_OPS_PER_DAY_MAX, OP_BYTES_PER_DAY_MAX, ADDS_PER_WEEK_MAX, JOINS_PER_PEER,
            LINKS_PER_MINUTE, ANSWER_EVERY_MS,
        };
        let source = include_str!("limits.rs");
        let constants = source.matches("\npub const ").count();
        assert_eq!(ours.len() + 3, constants, "all but VERSION, SUITE and FRAME_SIZES");
        let page = include_str!("../../../docs/protocol.md");
        let table = page.split("\n## ").find(|part| part.starts_with("Limits\n")).unwrap();
        let rows = table.lines().filter(|line| line.starts_with("| `"));
        for cells in rows.map(|row| row.split('|').collect::<Vec<_>>()) {
            let names: Vec<_> = cells[1].split('`').skip(1).step_by(2).collect();
            let values: Vec<_> = cells[2].split(';').map(read).collect();
            if names == ["FRAME_SIZES"] {
                assert_eq!(values, FRAME_SIZES.map(|size| size as u64));
                continue;
            }
            assert_eq!(names.len(), values.len(), "{names:?}");
            for (name, value) in names.into_iter().zip(values) {
                assert_eq!(ours.remove(name), Some(value), "{name}");
            }
        }
        assert_eq!(ours, BTreeMap::new(), "not written down");
    }
}
