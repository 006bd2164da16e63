#[dacapo::activity]
fn reserve(item: String, quantity: u32) {}

#[dacapo::workflow]
async fn checkout(item: String, quantity: u32) {}

fn main() {}
