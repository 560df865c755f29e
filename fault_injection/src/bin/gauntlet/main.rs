//! The laboratory put to the test.
mod copy;
mod edits;
fn main() {
    let copy = copy::Copy::prepare().unwrap();
    let t = std::time::Instant::now();
    let status = copy.build().unwrap().wait().unwrap();
    eprintln!("{status} {:?} {}", t.elapsed(), std::fs::read_to_string(copy.log_path()).unwrap());
}
