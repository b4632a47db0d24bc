//! The control DAG: ops, their validity, and the members they make.

mod dag;
mod membership;
mod op;
mod validity;

#[cfg(test)]
pub(crate) use dag::VIEWED_MAX;
pub use dag::{Dag, Taken};
pub use membership::{ComingOp, Standing, Unheard};
pub use op::{
    Add, Agreement, Genesis, GroupParams, Invite, InviteCancel, Leave, Op, OpBody, OpHeader,
    Welcome,
};
