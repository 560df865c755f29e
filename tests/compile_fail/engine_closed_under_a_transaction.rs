//~ E0505
use everline::engine::Engine;
use everline::media::Ram;

pub fn close(engine: Engine<Ram>) {
    let tx = engine.begin();
    let _medium = engine.close();
    drop(tx);
}
