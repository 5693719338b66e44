//! The files between: one of the two files with some keys changed, everything else as it stands there, comments too.

use serde_json::Value as Json;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value};

use super::steps::Edit;

/// That file with these keys changed below the `[vars]` of that environment.
///
/// # Errors
/// With what is in the way.
pub(super) fn text(base: &str, env: Option<&str>, edits: &[Edit]) -> Result<String, String> {
    let mut document: DocumentMut = base.parse().map_err(|error: toml_edit::TomlError| error.message().to_owned())?;
    let top = env.map(|env| vec!["env", env]).unwrap_or_default();
    for edit in edits {
        let path: Vec<&str> = top.iter().copied().chain(["vars"]).chain(edit.key.split('.')).collect();
        put(document.as_item_mut(), &path, edit.value.as_ref()).ok_or_else(|| format!("{} is no table", edit.key))?;
    }
    Ok(document.to_string())
}

fn put(item: &mut Item, path: &[&str], value: Option<&Json>) -> Option<()> {
    let (key, rest) = path.split_first()?;
    let is_inline = item.is_value();
    let table = item.as_table_like_mut()?;
    if !rest.is_empty() {
        if table.get(key).is_none_or(Item::is_none) {
            let empty =
                if is_inline { Item::Value(Value::InlineTable(InlineTable::new())) } else { Item::Table(Table::new()) };
            table.insert(key, empty);
        }
        return put(table.get_mut(key)?, rest, value);
    }
    match value {
        None => {
            table.remove(key);
        }
        // A section of its own, which stands behind the others: the order of regions counts.
        Some(Json::Object(fields)) if !is_inline => {
            let mut section = Table::new();
            fields.iter().for_each(|(name, value)| {
                section.insert(name, Item::Value(of(value)));
            });
            table.insert(key, Item::Table(section));
        }
        Some(value) => {
            table.insert(key, Item::Value(of(value)));
        }
    }
    if is_inline {
        table.fmt();
    }
    Some(())
}

fn of(value: &Json) -> Value {
    match value {
        Json::Null => Value::from(""),
        Json::Bool(flag) => Value::from(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::from(whole),
            None => Value::from(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(members) => Value::Array(members.iter().map(of).collect::<Array>()),
        Json::Object(fields) => {
            Value::InlineTable(fields.iter().map(|(name, value)| (name.as_str(), of(value))).collect::<InlineTable>())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BASE: &str = "# ours\n[vars.REGIONS.us]\norigin = \"https://us\" # near\n\n[vars.DATASETS.cart]\nownership = \"geo-partitioned\"\n\
                        position = \"counter\"\n\n[env.prod.vars]\nREGIONS = { us = { origin = \"https://us\" } }\n";

    #[test]
    fn a_file_between_has_the_new_keys_and_all_else_as_it_stands() {
        let region = json!({ "origin": "https://ap", "location": { "lat": 1.5, "lon": 103 } });
        let edits = [
            Edit::set("REGIONS.ap".to_owned(), region.clone()),
            Edit::set("DATASETS.cart.regions".to_owned(), json!(["us"])),
            Edit::remove("DATASETS.cart.position".to_owned()),
            Edit::set("IDENTITY.user.first_home".to_owned(), "us"),
        ];
        let made = text(BASE, None, &edits).unwrap();
        assert!(made.starts_with("# ours\n[vars.REGIONS.us]\norigin = \"https://us\" # near\n"), "{made}");
        let table: toml_edit::Document<String> = toml_edit::Document::parse(made.clone()).unwrap();
        let regions = table["vars"]["REGIONS"].as_table_like().unwrap();
        assert_eq!(regions.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["us", "ap"], "{made}");
        assert_eq!(table["vars"]["REGIONS"]["ap"]["location"]["lon"].as_integer(), Some(103));
        assert_eq!(table["vars"]["DATASETS"]["cart"]["regions"].as_array().map(toml_edit::Array::len), Some(1));
        assert!(table["vars"]["DATASETS"]["cart"].get("position").is_none());
        assert_eq!(table["vars"]["IDENTITY"]["user"]["first_home"].as_str(), Some("us"));
        let made = text(BASE, Some("prod"), &[Edit::set("REGIONS.ap".to_owned(), region)]).unwrap();
        assert!(made.contains("us = { origin = \"https://us\" }, ap = {"), "{made}");
    }
}
