struct Shop;

impl Shop {
    #[dacapo::activity]
    fn reserve(&self) {}
}

fn main() {}
