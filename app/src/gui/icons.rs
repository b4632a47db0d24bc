//! The icons of `assets/lucide.ttf`, by name. A new one is added to the font's subset as well.

/// One icon: its code point in the icon font.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Icon(pub(crate) char);

/// To the newest message.
pub(crate) const ARROW_DOWN: Icon = Icon('\u{e042}');
/// Sends.
pub(crate) const ARROW_UP: Icon = Icon('\u{e04a}');
/// Copies.
pub(crate) const COPY: Icon = Icon('\u{e09e}');
/// More that can be done.
pub(crate) const ELLIPSIS: Icon = Icon('\u{e0b6}');
/// Shows a passphrase.
pub(crate) const EYE: Icon = Icon('\u{e0ba}');
/// Hides it again.
pub(crate) const EYE_OFF: Icon = Icon('\u{e0bb}');
/// What is known.
pub(crate) const INFO: Icon = Icon('\u{e0f9}');
/// The passphrase.
pub(crate) const KEY: Icon = Icon('\u{e4a3}');
/// An invitation's link.
pub(crate) const LINK: Icon = Icon('\u{e102}');
/// Locked, and locks.
pub(crate) const LOCK: Icon = Icon('\u{e10b}');
/// Leaves.
pub(crate) const LOG_OUT: Icon = Icon('\u{e10e}');
/// An invitation that was opened.
pub(crate) const MAIL_OPEN: Icon = Icon('\u{e363}');
/// To the dark palette.
pub(crate) const MOON: Icon = Icon('\u{e11e}');
/// What is known about the group.
pub(crate) const PANEL_RIGHT: Icon = Icon('\u{e431}');
/// Writes anew.
pub(crate) const PENCIL: Icon = Icon('\u{e1f9}');
/// Starts or joins.
pub(crate) const PLUS: Icon = Icon('\u{e13d}');
/// Answers.
pub(crate) const REPLY: Icon = Icon('\u{e22a}');
/// How Kith looks, and the profile.
pub(crate) const SETTINGS: Icon = Icon('\u{e154}');
/// Something that begins.
pub(crate) const SPROUT: Icon = Icon('\u{e1eb}');
/// To the light palette.
pub(crate) const SUN: Icon = Icon('\u{e178}');
/// Erases.
pub(crate) const TRASH: Icon = Icon('\u{e18e}');
/// Takes back.
pub(crate) const UNDO: Icon = Icon('\u{e2a1}');
/// There is no way to anyone.
pub(crate) const UNLINK: Icon = Icon('\u{e19c}');
/// Invites.
pub(crate) const USER_PLUS: Icon = Icon('\u{e1a2}');
/// Closes.
pub(crate) const X: Icon = Icon('\u{e1b2}');
