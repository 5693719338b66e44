//! How an origin knows that it was the router who asked: `Homing-Signature` (docs/contract: "Signatures").

use crate::model::{keys::Key, time::Timestamp};

/// The fields of the contract that a signature covers, in this order. Part of the contract: the kit for origins has the same list.
pub const COVERED: [&str; 8] = [
    "homing-region",
    "homing-home",
    "homing-epoch",
    "homing-dataset",
    "homing-subject",
    "homing-intent",
    "homing-min-position",
    "homing-clock",
];

/// A request to an origin, as far as its signature covers it.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The method.
    pub method: &'a str,
    /// Path and query, as they stand in the request line.
    pub target: &'a str,
    /// When it is sent: an origin takes no old one.
    pub at: Timestamp,
}

impl Signed<'_> {
    /// The value of `Homing-Signature`: the time in milliseconds, and base64url of HMAC-SHA256 over lines of method, target, time, and
    /// each covered field, empty where the request has none. `field` gives the value of a field.
    #[must_use]
    pub fn signature<'f>(&self, key: &Key, field: impl Fn(&str) -> Option<&'f str>) -> String {
        let Self { method, target, at: Timestamp(at) } = self;
        let mut message = format!("{method}\n{target}\n{at}");
        for name in COVERED {
            message.push('\n');
            message.push_str(field(name).unwrap_or_default());
        }
        format!("t={at};v={}", key.sign(&message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_covers_method_target_time_and_the_contract() {
        let key = Key::new("0123456789abcdef0123456789abcdef").unwrap();
        let signed = Signed { method: "POST", target: "/orders?a=b", at: Timestamp(1_700_000_000_000) };
        let field = |name: &str| match name {
            "homing-region" => Some("eu"),
            "homing-epoch" => Some("7"),
            _ => None,
        };
        let message = "POST\n/orders?a=b\n1700000000000\neu\n\n7\n\n\n\n\n";
        assert_eq!(signed.signature(&key, field), format!("t=1700000000000;v={}", key.sign(message)));
        // A command of the authority has none of these fields: eight empty lines.
        let message = format!("POST\n/orders?a=b\n1700000000000{}", "\n".repeat(8));
        assert_eq!(signed.signature(&key, |_| None), format!("t=1700000000000;v={}", key.sign(&message)));
    }
}
