//! Executions a second.

use std::process::ExitCode;

pub fn measured(seconds: &str) -> ExitCode {
    let _ = seconds;
    ExitCode::SUCCESS
}
