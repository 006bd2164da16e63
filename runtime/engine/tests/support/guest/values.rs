//! What a program records for itself.

use dacapo_engine::replay::CallError;
use dacapo_model::ids::{ChangeId, QueryName, ValueName};
use dacapo_model::payload::Payload;

use super::Guest;

impl Guest {
    /// The code before the change has no such call. The code after it does as the
    /// code before did, where the run does not follow the change.
    pub(super) fn follow_change(&mut self, change: u8) -> Result<(), CallError> {
        if self.program.known == 0 {
            return Ok(());
        }
        let change_id = ChangeId::new(format!("change {change}")).expect("a valid id");
        let version = self.cursor.version(change_id, 0, self.program.known)?;
        if version > 0 {
            self.see(&version);
            let timer = self.start_timer(u64::from(version) * 7)?;
            self.place.pending.push(timer);
        }
        Ok(())
    }

    /// A value that is another under other code.
    pub(super) fn record(&mut self, name: ValueName, kinds: u64) -> Result<Payload, CallError> {
        let value = format!("{} {}", self.program.known, self.place.seen % kinds);
        self.cursor.record_value(name, Payload::new(value.clone()))?;
        Ok(Payload::new(value))
    }
}

pub(super) fn value_name(name: u8) -> ValueName {
    ValueName::new(format!("value {name}")).expect("a valid name")
}

pub(super) fn query_name(name: u8) -> QueryName {
    QueryName::new(format!("value {name}")).expect("a valid name")
}
