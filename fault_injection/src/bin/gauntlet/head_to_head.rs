//! The same planted bugs under lesser ways of testing.
use std::process::ExitCode;
pub fn run() -> ExitCode {
    ExitCode::SUCCESS
}
