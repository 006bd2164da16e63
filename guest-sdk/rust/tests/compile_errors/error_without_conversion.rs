#[dacapo::activity]
fn reserve() -> Result<(), String> {
    Err("out of stock".to_owned())
}

fn main() {}
