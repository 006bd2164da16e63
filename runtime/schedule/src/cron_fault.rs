//! Says what is wrong with a cron expression that can't be read, and what it may be.

use croner::parser::CronParser;

/// A field, and what may be in it besides `*`, lists, ranges and steps.
struct Field {
    name: &'static str,
    values: &'static str,
}

/// In their order; expressions of five fields are without the first and the last.
const FIELDS: [Field; 7] = [
    Field { name: "second", values: "0 to 59" },
    Field { name: "minute", values: "0 to 59" },
    Field { name: "hour", values: "0 to 23" },
    Field { name: "day of month", values: "1 to 31, `L` for the last, `15W` for a near weekday" },
    Field { name: "month", values: "1 to 12, or `JAN` to `DEC`" },
    Field {
        name: "day of week",
        values: "0 to 7, where 0 and 7 are Sunday, or `SUN` to `SAT`, `FRI#2` for the second, \
                 `5L` for the last",
    },
    Field { name: "year", values: "1970 to 9999" },
];

const NAMES: &str = "@yearly, @monthly, @weekly, @daily, @midnight and @hourly";

/// What is wrong with a text that is no cron expression.
pub(crate) fn fault(text: &str) -> String {
    if text.starts_with('@') {
        return format!("`{text}` is no name of a cron expression; there are {NAMES}");
    }
    let fields: Vec<_> = text.split_whitespace().collect();
    let Some(named) = named(fields.len()) else {
        return format!(
            "`{text}` has {} fields; a cron expression has five fields, minute, hour, day of \
             month, month and day of week, or a second before and a year after them",
            fields.len()
        );
    };
    let wrong = (0..fields.len()).find(|at| !is_readable(&fields, *at));
    match wrong {
        Some(at) => format!(
            "`{text}` is no cron expression: {} `{}` is not {}, or `*`, with ranges (`1-5`), \
             lists (`1,5`) and steps (`*/5`)",
            named[at].name, fields[at], named[at].values
        ),
        None => format!("`{text}` is no cron expression: its fields do not go together"),
    }
}

/// What the fields are called, if there can be so many.
fn named(count: usize) -> Option<&'static [Field]> {
    match count {
        5 => Some(&FIELDS[1..6]),
        6 => Some(&FIELDS[..6]),
        7 => Some(&FIELDS),
        _ => None,
    }
}

/// Whether an expression can be read that has only this field of it.
fn is_readable(fields: &[&str], at: usize) -> bool {
    let mut alone = vec!["*"; fields.len()];
    alone[at] = fields[at];
    CronParser::new().parse(&alone.join(" ")).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_that_is_wrong_is_named_with_what_it_may_be() {
        for (text, field, allowed) in [
            ("61 * * * *", "minute `61`", "0 to 59"),
            ("0 24 * * *", "hour `24`", "0 to 23"),
            ("0 0 32 * *", "day of month `32`", "1 to 31"),
            ("0 0 * 13 *", "month `13`", "1 to 12"),
            ("0 0 * * FRYDAY", "day of week `FRYDAY`", "`SUN` to `SAT`"),
            ("60 0 0 * * *", "second `60`", "0 to 59"),
            ("0 0 0 * * * twenty", "year `twenty`", "1970"),
            ("*/0 * * * *", "minute `*/0`", "steps"),
            ("5-1 * * * *", "minute `5-1`", "ranges"),
            ("1,x * * * *", "minute `1,x`", "lists"),
        ] {
            assert!(CronParser::new().parse(text).is_err(), "{text}");
            let fault = fault(text);
            assert!(fault.contains(field) && fault.contains(allowed), "{fault}");
        }
    }

    #[test]
    fn an_expression_of_another_kind_is_told_what_there_is() {
        assert!(fault("* * *").contains("has 3 fields"), "{}", fault("* * *"));
        assert!(fault("").contains("has 0 fields"), "{}", fault(""));
        assert!(fault("@fortnightly").contains("@weekly"), "{}", fault("@fortnightly"));
    }
}
