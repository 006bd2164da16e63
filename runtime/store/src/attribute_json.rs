//! For backends: search attributes as they are stored, to compare with what a filter asks for.

use dacapo_filter::{AttributeType, Value};
use dacapo_model::attributes::SearchAttribute;

/// The `type` of a stored value.
pub fn attribute_type(kind: AttributeType) -> &'static str {
    match kind {
        AttributeType::Bool => "Bool",
        AttributeType::Datetime => "Datetime",
        AttributeType::Double => "Double",
        AttributeType::Int => "Int",
        AttributeType::Keyword => "Keyword",
        AttributeType::KeywordList => "KeywordList",
        AttributeType::Text => "Text",
    }
}

/// The attribute that has this value and, if it is a list, nothing else. None if the type has no
/// such values.
pub fn attribute_of(kind: AttributeType, value: &Value) -> Option<SearchAttribute> {
    Some(match (kind, value) {
        (AttributeType::Bool, Value::Bool(value)) => SearchAttribute::Bool(*value),
        (AttributeType::Datetime, Value::Time(time)) => SearchAttribute::Datetime(*time),
        (AttributeType::Double, Value::Double(number)) => SearchAttribute::Double(*number),
        (AttributeType::Int, Value::Int(number)) => SearchAttribute::Int(*number),
        (AttributeType::Keyword, Value::Text(text)) => SearchAttribute::Keyword(text.clone()),
        (AttributeType::Text, Value::Text(text)) => SearchAttribute::Text(text.clone()),
        (AttributeType::KeywordList, Value::Text(text)) => {
            SearchAttribute::KeywordList(vec![text.clone()])
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use dacapo_model::time::Timestamp;

    use super::*;
    use crate::record::to_json;

    #[test]
    fn the_type_of_a_value_is_the_one_that_is_stored() {
        let text = || Value::Text("red".to_owned());
        for (kind, value) in [
            (AttributeType::Bool, Value::Bool(true)),
            (AttributeType::Datetime, Value::Time(Timestamp::from_micros(1))),
            (AttributeType::Double, Value::Double(0.5)),
            (AttributeType::Int, Value::Int(-1)),
            (AttributeType::Keyword, text()),
            (AttributeType::KeywordList, text()),
            (AttributeType::Text, text()),
        ] {
            let stored = to_json(&attribute_of(kind, &value).expect("a value of the type"));
            assert_eq!(stored["type"], attribute_type(kind));
        }
    }
}
