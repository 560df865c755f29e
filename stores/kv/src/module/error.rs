//! Why a module refused; nothing changed, and the next operation works.

use everline::media::Errno;
use everline_region::{ConfigError, TargetError};

use crate::KvError;

/// Why an operation of the module was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ModuleError {
    /// Before `initialize` has returned, or after `shutdown` has begun.
    #[error("Module not initialized: await initialize() first")]
    NotInitialized,
    /// The configuration.
    #[error("Failed to initialize module: {0}")]
    Config(#[from] ConfigError),
    /// The pool could not be opened, made or closed.
    #[error("the module's pool: {0}")]
    Target(#[from] TargetError),
    /// No open transaction has this identifier.
    #[error("Transaction {id} not found: it never began, or it has ended; begin another one")]
    NoTransaction {
        /// What was given.
        id: String,
    },
    /// `execute` was asked for something else than its eight operations.
    #[error("Unknown operation: {name}")]
    UnknownOperation {
        /// What was given.
        name: String,
    },
    /// A parameter of `execute` that is missing, unknown, or of another form.
    #[error("{operation}: \"{field}\" {rule}")]
    Parameter {
        /// The operation.
        operation: String,
        /// The parameter.
        field: String,
        /// What it must be.
        rule: &'static str,
    },
    /// The store: a conflict, no space, a failed sync, …
    #[error(transparent)]
    Store(KvError<Errno>),
    /// The system gives no thread for work that waits.
    #[error("no thread for the module's work ({reason}): allow this process more threads")]
    NoThread {
        /// What the system said.
        reason: String,
    },
    /// The work panicked: what it did is whole or absent, as after a crash.
    #[error("the work panicked: shut the module down and initialize it again")]
    Panicked,
}

impl From<KvError<Errno>> for ModuleError {
    fn from(error: KvError<Errno>) -> Self {
        match error {
            // Shut down while the operation was under way.
            KvError::Closed | KvError::Retired { .. } => ModuleError::NotInitialized,
            error => ModuleError::Store(error),
        }
    }
}
