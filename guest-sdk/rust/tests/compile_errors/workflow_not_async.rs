#[dacapo::workflow]
fn checkout() {}

fn main() {}
