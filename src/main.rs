//! The `squall` command: parse, dispatch, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    squall::cli::main()
}
