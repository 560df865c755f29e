//! Prints what each operation asks of the medium. `--json` for tools.

use std::process::ExitCode;

use everline_bench::cost;

fn main() -> ExitCode {
    let mut json = false;
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--json" => json = true,
            other => {
                eprintln!("cost: unknown argument `{other}`; usage: cost [--json]");
                return ExitCode::from(2);
            }
        }
    }
    let rows = cost::table();
    if json {
        print!("{}", cost::to_json(&rows));
    } else {
        print!("{}", cost::to_text(&rows));
    }
    ExitCode::SUCCESS
}
