//! One door for callers who speak JSON: eight operations, each an object in and an object out.
//!
//! | `operation` | parameters | answer |
//! |---|---|---|
//! | `begin_transaction` | | `{"transaction_id": "…"}` |
//! | `commit`, `abort` | `transaction_id` | `{"success": true or false}` |
//! | `get` | `key`, `transaction_id`? | `{"value": bytes or null}` |
//! | `put` | `key`, `value`, `transaction_id`? | `{"success": true}` |
//! | `delete` | `key`, `transaction_id`? | `{"success": true or false}` |
//! | `checkpoint` | | `{"success": true}` |
//! | `get_metrics` | | the metrics |
//!
//! Keys and values are any bytes, in the two forms of `bytes.rs`: a text, or `{"hex": "…"}` for what is none. A parameter
//! that no operation knows is refused by name: a misspelled `transaction_id` must not become a commit of its own.

use serde_json::{Map, Value, json};

use super::{ModuleError, PersistentMemoryModule, bytes};

const BYTES_RULE: &str = "must be a text, or {\"hex\": \"…\"} with two digits for each byte";

/// The parameters of one operation that have not been read yet.
struct Parameters {
    operation: String,
    left: Map<String, Value>,
}

impl Parameters {
    fn wrong(&self, field: &str, rule: &'static str) -> ModuleError {
        ModuleError::Parameter {
            operation: self.operation.clone(),
            field: field.to_owned(),
            rule,
        }
    }

    fn bytes(&mut self, field: &str) -> Result<Vec<u8>, ModuleError> {
        let value = self.left.remove(field);
        let value = value.ok_or_else(|| self.wrong(field, "is missing"))?;
        bytes::from_json(&value).ok_or_else(|| self.wrong(field, BYTES_RULE))
    }

    /// The transaction, if one is named; `null` names none.
    fn transaction(&mut self) -> Result<Option<String>, ModuleError> {
        match self.left.remove(TRANSACTION) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(id)) => Ok(Some(id)),
            Some(_) => Err(self.wrong(TRANSACTION, "must be a text")),
        }
    }

    fn own_transaction(&mut self) -> Result<String, ModuleError> {
        let id = self.transaction()?;
        id.ok_or_else(|| self.wrong(TRANSACTION, "is missing"))
    }

    /// Nothing may be left.
    fn finish(self) -> Result<(), ModuleError> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(key) => Err(self.wrong(key, "is no parameter of this operation")),
        }
    }
}

const TRANSACTION: &str = "transaction_id";

impl PersistentMemoryModule {
    /// Does what the object `params` says; see the table of this file.
    ///
    /// Errors: [`ModuleError::NotInitialized`], [`ModuleError::UnknownOperation`], [`ModuleError::Parameter`], and those
    /// of the operation itself. Cost and crash: as the operation's.
    pub async fn execute(&self, params: Value) -> Result<Value, ModuleError> {
        self.live().map(drop)?;
        let Value::Object(mut left) = params else {
            return Err(ModuleError::Parameter {
                operation: "execute".to_owned(),
                field: "params".to_owned(),
                rule: "must be a JSON object",
            });
        };
        let operation = match left.remove("operation") {
            Some(Value::String(name)) => name,
            Some(other) => {
                let name = other.to_string();
                return Err(ModuleError::UnknownOperation { name });
            }
            None => {
                let name = "None".to_owned();
                return Err(ModuleError::UnknownOperation { name });
            }
        };
        self.dispatch(Parameters { operation, left }).await
    }

    async fn dispatch(&self, mut given: Parameters) -> Result<Value, ModuleError> {
        match given.operation.as_str() {
            "begin_transaction" => {
                given.finish()?;
                let id = self.begin_transaction().await?;
                Ok(json!({TRANSACTION: id}))
            }
            "commit" | "abort" => {
                let id = given.own_transaction()?;
                let commits = given.operation == "commit";
                given.finish()?;
                let success = match commits {
                    true => self.commit(&id).await?,
                    false => self.abort(&id).await?,
                };
                Ok(json!({"success": success}))
            }
            "get" => {
                let (key, id) = (given.bytes("key")?, given.transaction()?);
                given.finish()?;
                let value = self.get(&key, id.as_deref()).await?;
                Ok(json!({"value": value.as_deref().map(bytes::to_json)}))
            }
            "put" => {
                let (key, value) = (given.bytes("key")?, given.bytes("value")?);
                let id = given.transaction()?;
                given.finish()?;
                self.put(&key, &value, id.as_deref()).await?;
                Ok(json!({"success": true}))
            }
            "delete" => {
                let (key, id) = (given.bytes("key")?, given.transaction()?);
                given.finish()?;
                let success = self.delete(&key, id.as_deref()).await?;
                Ok(json!({"success": success}))
            }
            "checkpoint" => {
                given.finish()?;
                self.checkpoint().await?;
                Ok(json!({"success": true}))
            }
            "get_metrics" => {
                given.finish()?;
                let live = self.live()?;
                let metrics = self.work(move || live.metrics())?.await?;
                Ok(metrics.to_json())
            }
            _ => Err(ModuleError::UnknownOperation {
                name: given.operation,
            }),
        }
    }
}
