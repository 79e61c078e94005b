//! `src/country_table.rs` is made of `countries.txt` and the numbering plans of Google's
//! libphonenumber, and agrees with both. `cargo xtask numbers` writes it anew: with a new release
//! of the library, or after a change of the list.

#![expect(clippy::expect_used, clippy::panic, reason = "tests")]

use std::{collections::BTreeMap, env, fs, path::Path};

use phonenumber::metadata::DATABASE;

/// No number is longer (E.164).
const LONGEST: u16 = 15;

const HEAD: &str = "//! The calling codes of ITU-T E.164 with the lengths their numbers can have, and the zone most of the
//! people behind them live in. Made by `cargo xtask numbers` of `countries.txt` and
//! libphonenumber's plans.
//!
//! Lengths span fixed and mobile lines, and forms WhatsApp still knows though the country changed
//! its plan: refusing a real number is worse than passing a wrong one on, which WhatsApp refuses
//! anyway. Rows longer than a calling code are places that share one with a country in another
//! zone.

/// Prefix, fewest and most digits of the whole number, zone (empty: not bound to a place); sorted
/// by prefix.
#[rustfmt::skip]
pub(crate) const COUNTRIES: &[(&str, u8, u8, &str)] = &[
";

/// Lengths of whole numbers, fixed and mobile, by calling code.
fn plans() -> BTreeMap<String, Vec<u16>> {
    let mut plans = BTreeMap::<String, Vec<u16>>::new();
    for region in DATABASE.iter() {
        let (code, kinds) = (region.country_code().to_string(), region.descriptors());
        let national = [kinds.fixed_line(), kinds.mobile()]
            .into_iter()
            .flatten()
            .flat_map(|kind| kind.possible_length().to_vec());
        let lengths: Vec<u16> = national
            .filter(|length| *length > 0)
            .map(|length| (length + code.len() as u16).min(LONGEST))
            .collect();
        plans.entry(code).or_default().extend(lengths);
    }
    plans
}

fn table(list: &str) -> String {
    let (plans, mut table) = (plans(), HEAD.to_owned());
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        let (prefix, zone) = (
            words.next().expect("a prefix"),
            words.next().expect("a zone"),
        );
        let more = words.map(|length| length.parse::<u16>().expect("a length"));
        let code = (1..=prefix.len().min(3))
            .rev()
            .find_map(|length| plans.get(&prefix[..length]));
        let lengths: Vec<u16> = code.into_iter().flatten().copied().chain(more).collect();
        let fewest = lengths
            .iter()
            .min()
            .unwrap_or_else(|| panic!("{prefix} is in no plan: name its lengths in countries.txt"));
        let most = lengths.iter().max().expect("not empty");
        let zone = if zone == "-" { "" } else { zone };
        table.push_str(&format!("    ({prefix:?}, {fewest}, {most}, {zone:?}),\n"));
    }
    table.push_str("];\n");
    table
}

#[test]
fn the_table_is_what_the_numbering_plans_say() {
    let file = Path::new("src/country_table.rs");
    let list = fs::read_to_string("countries.txt").expect("the list");
    let made = table(&list);
    if env::var_os("WHARF_WRITE_DOCS").is_some() {
        fs::write(file, &made).expect("written");
    }
    let differs: Vec<String> = {
        let there = fs::read_to_string(file).expect("the table");
        let (there, made): (Vec<&str>, Vec<&str>) =
            (there.lines().collect(), made.lines().collect());
        made.iter()
            .filter(|line| !there.contains(line))
            .chain(there.iter().filter(|line| !made.contains(line)))
            .map(ToString::to_string)
            .collect()
    };
    assert!(
        differs.is_empty(),
        "run `cargo xtask numbers`: {differs:#?}"
    );
    for code in plans()
        .iter()
        .filter(|(_, lengths)| !lengths.is_empty())
        .map(|(code, _)| code)
    {
        assert!(
            list.lines()
                .any(|line| line.split(' ').next() == Some(code)),
            "countries.txt does not know +{code}"
        );
    }
}
