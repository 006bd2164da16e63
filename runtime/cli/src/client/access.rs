//! Keys, and the log of what was changed.

use serde_json::Value;

use super::{Answer, Client, ClientError};

impl Client {
    /// Makes a key.
    pub async fn create_key(&self, body: &Value) -> Result<Answer, ClientError> {
        let url = self.root_url(&["api", "v1", "api-keys"])?;
        self.send(self.http.post(url).json(body)).await
    }

    /// All keys that the caller administers.
    pub async fn list_keys(&self) -> Result<Answer, ClientError> {
        self.send(self.http.get(self.root_url(&["api", "v1", "api-keys"])?)).await
    }

    /// Revokes a key.
    pub async fn revoke_key(&self, id: &str) -> Result<Answer, ClientError> {
        self.send(self.http.delete(self.root_url(&["api", "v1", "api-keys", id])?)).await
    }

    /// A page of the log of what was changed.
    pub async fn list_audit(&self, query: &[(&str, String)]) -> Result<Answer, ClientError> {
        let url = self.root_url(&["api", "v1", "audit"])?;
        self.send(self.http.get(url).query(query)).await
    }
}
