//! Where the server listens, and whom it lets in.

use std::io;

use super::report::Report;
use crate::config::{Authentication, ServerConfig};
use crate::exit::in_words;
use crate::http_server;

const ADDRESS: &str = "address";
const ACCESS: &str = "access";

pub(super) fn check(config: &ServerConfig, report: &mut Report) {
    let listen = config.listen;
    match http_server::listen(listen) {
        Ok(_) => report.ok(ADDRESS, format!("{listen} is free")),
        Err(error) if is_in_use(&error) => report.warn(
            ADDRESS,
            format!("{listen} is in use"),
            "If that is no server of this configuration, choose another address with --listen",
        ),
        Err(error) => report.fail(ADDRESS, in_words(&error), "Choose one of this machine"),
    }
    match (config.authentication, listen.ip().is_loopback()) {
        (Authentication::Required, _) => report.ok(ACCESS, "clients need an API key"),
        (Authentication::None, true) => {
            report.ok(ACCESS, "everybody on this machine may do everything");
        }
        (Authentication::None, false) => report.warn(
            ACCESS,
            format!("everybody who reaches {listen} may do everything"),
            "Set --authentication required, or see that only your own services reach it",
        ),
    }
}

fn is_in_use(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.kind() == io::ErrorKind::AddrInUse)
}
