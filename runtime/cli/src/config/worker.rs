//! The settings of a worker, which runs guests as a server does, and nothing else.

use anyhow::Result;

use super::file::FileConfig;
use super::tls::FileTls;
use super::{GuestFlags, ServerConfig, ServerFlags};

impl ServerConfig {
    /// The same layers for a worker, which may share its file with servers. `concurrency`
    /// stands for the key `activities_max`.
    pub fn for_worker(
        guests: GuestFlags,
        concurrency: Option<u16>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self> {
        let mut file = FileConfig::read_if_any(guests.config.as_deref())?;
        // It does not listen.
        file.tls = FileTls::none();
        let has_its_own = guests.activities_bytes_max.or(file.activities_bytes_max).is_some();
        let activities_max = concurrency.map(usize::from);
        let flags = ServerFlags { guests, activities_max, ..ServerFlags::default() };
        let mut config = Self::merge(flags, environment, file)?;
        if !has_its_own {
            // What a server has for workflows.
            config.activities_bytes_max =
                config.activities_bytes_max.max(config.memory.instance_bytes);
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(guests: GuestFlags) -> ServerConfig {
        ServerConfig::for_worker(guests, Some(3), []).expect("valid")
    }

    #[test]
    fn attempts_have_the_memory_that_workflows_have_in_a_server() {
        let memory_limit = "2GiB".parse().ok();
        let config = worker(GuestFlags { memory_limit, ..GuestFlags::default() });
        assert_eq!(config.service.activities_max, 3);
        assert_eq!(config.activities_bytes_max, 1024 * 1024 * 1024);
        let set = GuestFlags { activities_bytes_max: Some(7), ..GuestFlags::default() };
        assert_eq!(worker(set).activities_bytes_max, 7);
    }
}
