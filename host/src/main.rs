//! The command line of the gateway.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|word| word == "guard") {
        return wharf::browser::guard::main(args);
    }
    ExitCode::SUCCESS
}
