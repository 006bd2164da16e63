//! The table language by behaviour at the end of `guest-sdk/conformance.md`. What it says `yes` to is
//! played, and nothing else: so it can't say what is not so.

use std::collections::{BTreeMap, BTreeSet};

use crate::behaviours::BEHAVIOURS;
use crate::languages::{LANGUAGES, root};

const HEADING: &str = "## Language by behaviour";

pub(crate) struct Table {
    yes: BTreeSet<(u32, String)>,
}

impl Table {
    /// Reads it, and compares it with the lists of the test.
    pub(crate) fn read() -> Self {
        let text = std::fs::read_to_string(root().join("guest-sdk/conformance.md"))
            .expect("the page can be read");
        let (page, table) = text.split_once(HEADING).expect("the page has the table");
        let mut rows = table.lines().filter(|line| line.starts_with('|')).map(cells);
        let header = rows.next().expect("the table has a header");
        let languages: Vec<_> = header[2..].to_vec();
        let rows: BTreeMap<u32, Vec<String>> =
            rows.filter_map(|row| Some((row[0].parse().ok()?, row[2..].to_vec()))).collect();

        let names: Vec<_> = LANGUAGES.iter().map(|language| language.name).collect();
        assert_eq!(languages, names, "the languages of the table are those of the test");
        let numbers: Vec<_> = BEHAVIOURS.iter().map(|behaviour| behaviour.number).collect();
        assert_eq!(rows.keys().copied().collect::<Vec<_>>(), numbers, "a row for each behaviour");
        let described: BTreeSet<u32> = page
            .lines()
            .filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok())
            .collect();
        assert_eq!(described.into_iter().collect::<Vec<_>>(), numbers, "each is described above");
        let yes = rows.iter().flat_map(|(number, row)| {
            let says = row.iter().zip(&languages).filter(|(cell, _)| *cell == "yes");
            says.map(|(_, language)| (*number, language.clone()))
        });
        Self { yes: yes.collect() }
    }

    pub(crate) fn says_yes(&self, number: u32, language: &str) -> bool {
        self.yes.contains(&(number, language.to_owned()))
    }
}

fn cells(line: &str) -> Vec<String> {
    let inner = line.trim().trim_matches('|');
    inner.split('|').map(|cell| cell.trim().to_owned()).collect()
}
