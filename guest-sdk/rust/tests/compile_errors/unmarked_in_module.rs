#[dacapo::workflow]
async fn checkout() {}

#[dacapo::activity]
fn charge() {}

dacapo::module! { workflows: [charge], activities: [checkout] }

fn main() {}
