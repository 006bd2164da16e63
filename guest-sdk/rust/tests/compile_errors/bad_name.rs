#[dacapo::activity(name = "")]
fn reserve() {}

#[dacapo::activity(title = "charge")]
fn charge() {}

#[dacapo::workflow(name = "checkout", version = 2)]
async fn checkout() {}

fn main() {}
