//! What the READMEs tell their readers to type works, and comes to what they show.

use std::collections::BTreeSet;

use dacapo_tests::Readme;

/// Runs the README of each of these examples, and misses no example.
macro_rules! examples {
    ($($example:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $example() {
                let path = concat!("examples/", stringify!($example), "/README.md");
                Readme::open(path).run().await;
            }
        )*

        #[test]
        fn all_examples_are_here() {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
            let entries = std::fs::read_dir(folder).expect("there are examples");
            let folders = entries.map(|entry| entry.expect("it can be read").path());
            let there: BTreeSet<_> = folders
                .filter(|path| path.is_dir())
                .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
                .collect();
            assert_eq!(there, BTreeSet::from([$(stringify!($example).to_owned()),*]));
        }
    };
}

examples!(agent, approval, batch, checkout, restock, subscription);

#[tokio::test]
async fn the_demo_writes_what_the_first_page_shows() {
    let readme = Readme::open("README.md");
    readme.run_command("dacapo demo --exit", "Dacapo demo:").await;
}
