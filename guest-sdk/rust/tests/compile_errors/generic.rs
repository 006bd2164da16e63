#[dacapo::activity]
fn reserve<T>(item: T) {}

#[dacapo::workflow]
async fn checkout(item: impl Sized) {}

#[dacapo::activity]
fn borrow(item: &str) {}

fn main() {}
