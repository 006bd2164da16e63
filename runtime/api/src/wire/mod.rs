//! What is sent and received. Times are RFC 3339 with microseconds, durations
//! are numbers of seconds and say so in their names, payloads see [`payload`].

pub(crate) mod access;
pub(crate) mod activity;
mod attributes;
pub(crate) mod count;
mod mirror;
pub(crate) mod namespace;
pub(crate) mod object;
pub(crate) mod options;

pub(crate) mod batch;
pub(crate) mod event;
pub(crate) mod failure;
pub(crate) mod message;
pub(crate) mod module;
pub(crate) mod payload;
pub(crate) mod replay;
pub(crate) mod request;
pub(crate) mod result;
pub(crate) mod run;
pub(crate) mod schedule;
pub(crate) mod schedule_request;
mod schedule_spec;
pub(crate) mod search_attribute;
pub(crate) mod standalone;
pub(crate) mod task;
pub(crate) mod task_placement;
pub(crate) mod task_queue;
pub(crate) mod waiting;
