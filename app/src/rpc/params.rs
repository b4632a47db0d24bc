//! What each method takes. An unknown parameter, or one of a wrong type, is `bad_params`.

use proto::{GroupId, MemberId, OpId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::backend::{MessageId, Trouble};

/// Reads a method's parameters.
pub(super) fn read<T: DeserializeOwned>(params: Value) -> Result<T, Trouble> {
    if !params.is_object() {
        return Err(bad("they are an object, by name"));
    }
    serde_json::from_value(params).map_err(|error| bad(&error.to_string()))
}

pub(super) fn bad(says: &str) -> Trouble {
    Trouble::new("bad_params", format!("These parameters do not fit: {says}."))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct None {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Passphrase {
    pub(super) passphrase: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangePassphrase {
    pub(super) old: String,
    pub(super) new: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Erase {
    pub(super) confirm: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Since {
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) cursor: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateGroup {
    pub(super) name: String,
    pub(super) reason: String,
    pub(super) pseudonym: String,
    #[serde(default)]
    pub(super) agreement: String,
    #[serde(default)]
    pub(super) params: GroupParams,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct GroupParams {
    pub(super) consent_hours: Option<u16>,
    pub(super) words_stay_days: Option<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Invite {
    #[serde(deserialize_with = "group")]
    pub(super) group: GroupId,
    #[serde(default = "week")]
    pub(super) expires_s: u64,
    #[serde(default = "one")]
    pub(super) uses: u64,
    #[serde(default = "yes")]
    pub(super) addresses: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Revoke {
    #[serde(deserialize_with = "group")]
    pub(super) group: GroupId,
    #[serde(deserialize_with = "invite")]
    pub(super) invite: OpId,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LookAt {
    pub(super) link: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Accept {
    pub(super) link: String,
    pub(super) pseudonym: String,
    #[serde(default = "minute")]
    pub(super) timeout_s: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    #[serde(deserialize_with = "group")]
    pub(super) group: GroupId,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Space {
    #[serde(deserialize_with = "group")]
    pub(super) space: GroupId,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Member {
    #[serde(deserialize_with = "group")]
    pub(super) group: GroupId,
    #[serde(deserialize_with = "member")]
    pub(super) member: MemberId,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Leave {
    #[serde(deserialize_with = "group")]
    pub(super) group: GroupId,
    #[serde(default)]
    pub(super) ask_removal: bool,
    #[serde(default)]
    pub(super) erase: bool,
}

/// What is said; what later versions add to it is known by name and answered `not_yet`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Send {
    #[serde(deserialize_with = "group")]
    pub(super) space: GroupId,
    pub(super) text: String,
    #[serde(default, deserialize_with = "some_message")]
    pub(super) reply_to: Option<MessageId>,
    pub(super) topic_note: Option<Value>,
    pub(super) wish: Option<Value>,
    pub(super) expires_s: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListMessages {
    #[serde(deserialize_with = "group")]
    pub(super) space: GroupId,
    #[serde(default, deserialize_with = "some_message")]
    pub(super) before: Option<MessageId>,
    #[serde(default = "fifty")]
    pub(super) limit: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Edit {
    #[serde(deserialize_with = "group")]
    pub(super) space: GroupId,
    #[serde(deserialize_with = "message")]
    pub(super) id: MessageId,
    pub(super) text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    #[serde(deserialize_with = "group")]
    pub(super) space: GroupId,
    #[serde(deserialize_with = "message")]
    pub(super) id: MessageId,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dial {
    pub(super) address: String,
    #[serde(default, deserialize_with = "some_group")]
    pub(super) group: Option<GroupId>,
}

fn group<'de, D: Deserializer<'de>>(deserializer: D) -> Result<GroupId, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

fn invite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OpId, D::Error> {
    group(deserializer).map(|id| OpId(id.0))
}

fn member<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MemberId, D::Error> {
    group(deserializer).map(|id| MemberId(id.0))
}

fn some_group<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<GroupId>, D::Error> {
    group(deserializer).map(Some)
}

fn message<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MessageId, D::Error> {
    group(deserializer).map(|id| id.0)
}

fn some_message<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<MessageId>, D::Error> {
    message(deserializer).map(Some)
}

const fn week() -> u64 {
    604_800
}

const fn minute() -> u64 {
    60
}

const fn one() -> u64 {
    1
}

const fn yes() -> bool {
    true
}

const fn fifty() -> u64 {
    50
}
