#[dacapo::activity]
unsafe fn reserve() {}

#[dacapo::activity]
extern "C" fn charge() {}

fn main() {}
