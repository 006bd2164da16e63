//! Requests about schedules.

use serde::Serialize;

use super::{Answer, Client, ClientError};

impl Client {
    /// Makes a schedule.
    pub async fn create_schedule(&self, body: &impl Serialize) -> Result<Answer, ClientError> {
        self.send(self.http.post(self.url(&["schedules"])?).json(body)).await
    }

    /// One page of schedules.
    pub async fn list_schedules(&self, query: &[(&str, String)]) -> Result<Answer, ClientError> {
        self.send(self.http.get(self.url(&["schedules"])?).query(query)).await
    }

    /// What is known of a schedule.
    pub async fn show_schedule(&self, schedule_id: &str) -> Result<Answer, ClientError> {
        self.send(self.http.get(self.url(&["schedules", schedule_id])?)).await
    }

    /// The times of a schedule.
    pub async fn schedule_times(
        &self,
        schedule_id: &str,
        query: &[(&str, String)],
    ) -> Result<Answer, ClientError> {
        let request = self.http.get(self.url(&["schedules", schedule_id, "times"])?);
        self.send(request.query(query)).await
    }

    /// Gives a schedule another definition.
    pub async fn update_schedule(
        &self,
        schedule_id: &str,
        body: &impl Serialize,
    ) -> Result<Answer, ClientError> {
        self.send(self.http.put(self.url(&["schedules", schedule_id])?).json(body)).await
    }

    /// Tells a schedule something: `pause`, `resume`, `trigger` or `backfill`.
    pub async fn act_on_schedule(
        &self,
        schedule_id: &str,
        verb: &str,
        body: &serde_json::Value,
    ) -> Result<Answer, ClientError> {
        self.send(self.http.post(self.url(&["schedules", schedule_id, verb])?).json(body)).await
    }

    /// Deletes a schedule.
    pub async fn delete_schedule(&self, schedule_id: &str) -> Result<Answer, ClientError> {
        self.send(self.http.delete(self.url(&["schedules", schedule_id])?)).await
    }
}
