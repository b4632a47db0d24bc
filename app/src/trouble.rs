//! What went wrong below, as the stable names of docs/rpc.md and in words a person can act on.

use proto::{JoinError, Refusal};

use crate::backend::Trouble;

/// A store's error.
pub(crate) fn from_store(error: store::Error) -> Trouble {
    use store::Error as E;
    let (name, says) = match &error {
        E::InUse => (
            "in_use",
            "Another Kith uses this folder already. Close it, or choose another with --home.",
        ),
        E::NotAFolder => ("bad_home", "The home is no folder. Choose another with --home."),
        E::NoProfile => ("no_profile", "There is no profile here yet: create one first."),
        E::ProfileExists => {
            ("profile_exists", "There is a profile here already: unlock it with its passphrase.")
        }
        E::WrongPassphrase => {
            ("wrong_passphrase", "That is not the passphrase. Nothing was changed.")
        }
        E::Newer => ("newer", "A newer Kith wrote this profile. Use that one, or a newer one."),
        E::Older => (
            "older",
            "This profile was made by a test version of Kith that is too old to be read. Create a new one in another folder with --home.",
        ),
        E::Full => (
            "disk_full",
            "The disk is full. Make room: then this works again, and nothing that was acknowledged is lost.",
        ),
        E::NoSuchGroup => ("no_such_group", "This profile is in no such group."),
        E::GroupExists => ("already_member", "This profile is in that group already."),
        E::NoSuchMessage => ("no_such_message", "There is no such message here."),
        E::TooLarge => ("too_large", "That is larger than can be stored."),
        E::Poisoned => (
            "store_damaged",
            "Something could not be written, and nothing more is until Kith is started again. Close it and start it: what can be read is saved then.",
        ),
        E::Damaged(_) => {
            return Trouble::new(
                "store_damaged",
                format!(
                    "The stored data cannot be used: {error}. Close Kith and start it again: what can be read is saved then."
                ),
            );
        }
        E::Io(cause) => {
            return Trouble::new("bad_home", format!("The folder cannot be used: {cause}."));
        }
        _ => return Trouble::new("store_damaged", format!("The store failed: {error}.")),
    };
    Trouble::new(name, says)
}

/// The network's error, or what is below it.
pub(crate) fn from_net(error: net::Error) -> Trouble {
    use net::Error as E;
    let (name, says) = match &error {
        E::NoSuchGroup => ("no_such_group", "This profile is in no such group."),
        E::Refused(refusal) => return from_refusal(refusal),
        E::Join(join) => return from_join(*join),
        E::AlreadyMember => ("already_member", "This profile is in that group already."),
        E::Left => {
            ("left", "You left this group on this computer, and cannot come back to it from here.")
        }
        E::Unreachable => (
            "unreachable",
            "Nobody could be reached. Someone in the group has to be there with Kith open: try again when they are.",
        ),
        E::BadAddress => {
            ("bad_params", "That is no address. It looks like /ip4/192.168.1.5/tcp/4001.")
        }
        E::Busy => ("busy", "Too much is under way; try again in a moment."),
        E::Panicked => (
            "busy",
            "This group's connection failed and starts again by itself. Try again in a moment.",
        ),
        E::Stopped => ("locked", "The profile was locked meanwhile."),
        E::Store(cause) => {
            // The store's errors hold what cannot be cloned; name and words are all that is needed.
            if matches!(**cause, store::Error::Full) {
                return from_store(store::Error::Full);
            }
            return Trouble::new("store_damaged", format!("The store failed: {cause}."));
        }
        E::Damaged(reject) => {
            return Trouble::new(
                "store_damaged",
                format!("What was stored makes no group: {reject}."),
            );
        }
        E::Runtime(cause) => {
            return Trouble::new("network", format!("The network could not start: {cause}."));
        }
        _ => return Trouble::new("network", format!("The network failed: {error}.")),
    };
    Trouble::new(name, says)
}

fn from_refusal(refusal: &Refusal) -> Trouble {
    let (name, says) = match refusal {
        Refusal::TooLarge => {
            ("too_large", "A message has at most 65,536 bytes; this one is longer.")
        }
        Refusal::Busy => ("busy", "Too many messages wait for a first connection."),
        Refusal::NotAMember => ("not_a_member", "This device is not in the group any more."),
        Refusal::ClockWentBack => (
            "busy",
            "This device's clock was ahead. This works again once the clock has caught up.",
        ),
        Refusal::ClockIsOff => (
            "clock_off",
            "This device's clock differs from those of the others by more than five minutes. Set it right, then try again.",
        ),
        Refusal::TooMuchToday => (
            "rate_limited",
            "This device did that so often today that the others would not accept more. Try again tomorrow.",
        ),
        Refusal::NotYet => (
            "unreachable",
            "This needs a connection to someone in the group first. Try again when one of them is there.",
        ),
        Refusal::ReadByMore => (
            "too_late",
            "People have come since who cannot read this. It can be taken back, and said anew.",
        ),
        Refusal::NotToWelcome => ("bad_params", "This person cannot be counted in by you."),
        Refusal::NoSuchMember => ("no_such_member", "There is no such person in the group."),
        Refusal::NotYours => ("not_yours", "Only who made it may do that."),
        Refusal::NoSuchInvite => ("bad_params", "There is no such invitation in this group."),
        Refusal::InviteUsed => ("invite_used", "Someone came in with that invitation already."),
        Refusal::NoSuchMessage => ("no_such_message", "There is no such message here."),
        Refusal::Bad(says) => {
            return Trouble::new("bad_params", format!("That cannot be done: {says}."));
        }
        _ => return Trouble::new("bad_params", format!("That cannot be done: {refusal}.")),
    };
    Trouble::new(name, says)
}

fn from_join(error: JoinError) -> Trouble {
    let (name, says) = match error {
        JoinError::Unreadable => (
            "invite_unreadable",
            "This is not a whole invitation. Copy it again, from kith: to its end.",
        ),
        JoinError::Expired => ("invite_expired", "This invitation has ended. Ask for a new one."),
        JoinError::Used => (
            "invite_used",
            "Someone came in with this invitation already. If it was not you, tell whoever gave it to you.",
        ),
        JoinError::Cancelled => {
            ("invite_revoked", "This invitation was taken back. Ask for a new one.")
        }
        JoinError::Busy => ("busy", "The other side has too much to do; try again in a moment."),
        JoinError::AskFirst => {
            ("ask_first", "Someone there has to agree first, which this version cannot do yet.")
        }
        JoinError::Broken | _ => (
            "unreachable",
            "The other side sent something that does not hold together. Nothing was kept; try again.",
        ),
    };
    Trouble::new(name, says)
}
